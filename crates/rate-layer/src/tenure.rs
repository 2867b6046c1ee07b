//! What a request holds, from its admission to its end.

use std::mem;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use crate::book::claims::Claims;
use crate::book::limiters::Id;
use crate::book::waiter::Claim;
use crate::book::{Answer, Holding};
use crate::charge::Charge;
use crate::domain::Domain;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shape::rolling::Ending;

/// The places that a request holds, or held, in the windows of a domain.
///
/// It does not keep the domain, which is named at each step: whoever has one of these keeps it already, and gives up what is
/// held when it is dropped itself ([`give_up`](Self::give_up)).
///
/// What most requests need of it is inlined and takes no reference to it, so that it need not be in memory at all: a processor
/// takes longer to read back as a whole what it has just written in parts than it takes to admit a request.
#[derive(Debug)]
pub(crate) struct Tenure {
    stage: Stage,
    claims: Taken,
    admission: u64,
    lane: Lane,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Admitted,
    /// On its way; since when makes no difference.
    Departed,
    /// On its way since then.
    DepartedAt(Moment),
    Ended,
}

/// What is held; most hold one thing.
#[derive(Debug)]
enum Taken {
    One(Claim),
    /// Several, and after them as many shares as rules have in them. In one piece, so that it is dropped in few words.
    Several {
        all: Box<[Claim]>,
        shares: u8,
    },
}

impl Taken {
    fn of(claims: Claims) -> Self {
        match (&*claims, claims.shares()) {
            ([claim], []) => Self::One(*claim),
            (_, shares) => Self::Several {
                // No more than a layer has rules.
                shares: shares.len() as u8,
                all: claims.into_flat(),
            },
        }
    }

    fn into_claims(self) -> Claims {
        match self {
            Self::One(claim) => Claims::one(claim),
            Self::Several { all, shares } => Claims::of_flat(all, usize::from(shares)),
        }
    }

    /// Whether it makes a difference when they depart.
    #[inline(always)]
    fn count_departure(&self) -> bool {
        match self {
            Self::One(claim) => claim.counts_departure,
            Self::Several { all, .. } => all.iter().any(|claim| claim.counts_departure),
        }
    }

    /// Hands out a copy of the one; no reference to where it stands.
    #[inline(always)]
    fn with<T>(&self, act: impl FnOnce(&[Claim]) -> T) -> T {
        match self {
            Self::One(claim) => {
                let claim = *claim;
                act(slice::from_ref(&claim))
            }
            Self::Several { all, shares } => act(&all[..all.len() - usize::from(*shares)]),
        }
    }
}

impl Tenure {
    /// Of what has been admitted as the `admission`th.
    pub(crate) fn new(claims: Claims, lane: Lane, admission: u64) -> Self {
        Self {
            stage: Stage::Admitted,
            claims: Taken::of(claims),
            admission,
            lane,
        }
    }

    /// Of one claim that has been admitted as the `admission`th.
    #[inline(always)]
    pub(crate) fn of_one(claim: Claim, lane: Lane, admission: u64) -> Self {
        Self {
            stage: Stage::Admitted,
            claims: Taken::One(claim),
            admission,
            lane,
        }
    }

    /// Of nothing.
    #[inline]
    pub(crate) fn none() -> Self {
        Self {
            stage: Stage::Ended,
            claims: Taken::One(Claim::new(Id::NONE, 0)),
            admission: 0,
            lane: Lane::Rest,
        }
    }

    /// Takes what `claim` wants, where no clock is needed for it. Nothing may be held yet. Where [`answered_with`](Self::answered_with)
    /// is to be told what an answer states, the admission is numbered.
    #[inline]
    pub(crate) fn begin_unseen(
        &mut self,
        domain: &Domain,
        claim: Claim,
        is_numbered: bool,
    ) -> bool {
        let Some(granted) = domain.admit_one_unseen(claim, self.lane, is_numbered) else {
            return false;
        };
        self.claims = Taken::One(granted.held(claim));
        self.admission = granted.admission;
        self.stage = Stage::Admitted;
        true
    }

    /// Whether there is nothing to be ended.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Leaves nothing behind.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        mem::replace(self, Self::none())
    }

    /// Notes that the request leaves now.
    #[inline]
    pub(crate) fn depart(&mut self, domain: &Domain) {
        if let Stage::Admitted = self.stage {
            self.stage = if self.claims.count_departure() {
                let lane = self.lane;
                let departed = self.claims.with(|claims| departs_now(domain, claims, lane));
                Stage::DepartedAt(departed)
            } else {
                Stage::Departed
            };
        }
    }

    /// Notes that the response headers have arrived.
    #[inline]
    pub(crate) fn answered(&mut self, domain: &Domain) {
        match (self.stage, &self.claims) {
            // What most hold.
            (Stage::Admitted | Stage::Departed, Taken::One(claim)) if !claim.counts_departure => {
                let (id, cost, lane) = (claim.id, claim.cost, self.lane);
                self.stage = Stage::Ended;
                domain.answer_one(id, cost, lane);
            }
            (Stage::Ended, _) => {}
            _ => self.take().answered_by_the_book(domain),
        }
    }

    #[cold]
    fn answered_by_the_book(mut self, domain: &Domain) {
        self.depart(domain);
        self.end(domain, Ending::Answered);
    }

    /// Notes that the response headers have arrived, and what they say.
    pub(crate) fn answered_with(&mut self, domain: &Arc<Domain>, answer: Answer<'_>) -> Charge {
        self.depart(domain);
        let held = self.take();
        let (departed, lane) = (held.departed(), held.lane);
        let claims = held.claims.into_claims();
        let answer = Answer {
            admission: held.admission,
            shares: claims.shares(),
            ..answer
        };
        let holding = Holding {
            claims: &claims,
            lane,
            departed,
        };
        let now = domain.clock.now();
        let answered = domain
            .book
            .with(|book, wakes| book.answered(now, holding, &answer, wakes));
        Charge::new(domain, claims, lane, departed, answered)
    }

    /// Has the windows of these places admit nothing for a time that the server has named.
    ///
    /// All of them: the server does not say which of its limits it means.
    pub(crate) fn throttled(&self, domain: &Domain, pause: Option<Duration>) {
        let now = domain.clock.now();
        let until = pause.map(|pause| now.after(pause));
        self.claims.with(|claims| {
            for claim in claims {
                domain
                    .book
                    .with(|book, wakes| book.throttled(now, claim.id, until, wakes));
            }
        });
    }

    /// Ends what is held as one ends it that goes without a word: given back before departure, abandoned after it.
    #[inline]
    pub(crate) fn give_up(&mut self, domain: &Domain) {
        if !self.is_over() {
            self.take().given_up(domain);
        }
    }

    #[cold]
    fn given_up(mut self, domain: &Domain) {
        match self.stage {
            Stage::Admitted => self.end(domain, Ending::NeverLeft),
            Stage::Departed | Stage::DepartedAt(_) => {
                tracing::debug!(
                    "a request has departed and brings no headers: its place stays taken for the grace"
                );
                self.end(domain, Ending::Abandoned);
            }
            Stage::Ended => {}
        }
    }

    /// Takes the admission back, as if nobody had asked.
    #[cold]
    pub(crate) fn take_back(&mut self, domain: &Domain) {
        let held = self.take();
        let now = domain.clock.now();
        held.claims.with(|claims| {
            let holding = Holding {
                claims,
                lane: held.lane,
                departed: None,
            };
            domain
                .book
                .with(|book, wakes| book.take_back(now, holding, wakes));
        });
    }

    /// Ends it, once, whoever is called by that.
    pub(crate) fn end(&mut self, domain: &Domain, ending: Ending) {
        if self.is_over() {
            return;
        }
        let held = self.take();
        let now = domain.clock.now();
        held.claims.with(|claims| {
            let holding = Holding {
                claims,
                lane: held.lane,
                departed: held.departed(),
            };
            domain
                .book
                .with_calmly(|book, wakes| book.end(now, holding, ending, wakes));
        });
    }

    #[inline]
    fn departed(&self) -> Option<Moment> {
        match self.stage {
            Stage::DepartedAt(departed) => Some(departed),
            Stage::Admitted | Stage::Departed | Stage::Ended => None,
        }
    }
}

/// Tells the windows that a request leaves now, and says when that is.
#[cold]
fn departs_now(domain: &Domain, claims: &[Claim], lane: Lane) -> Moment {
    let now = domain.clock.now();
    domain.book.with(|book, _| book.depart(now, claims, lane))
}
