//! What a request holds, from its admission to its end.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use crate::book::waiter::{Claim, Claims};
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
#[derive(Debug)]
pub(crate) struct Tenure {
    stage: Stage,
    claims: Claims,
    admission: u64,
    lane: Lane,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Admitted,
    /// On its way; since then, where that makes a difference.
    Departed(Option<Moment>),
    Ended,
}

impl Tenure {
    /// Of what has been admitted as the `admission`th.
    #[inline]
    pub(crate) fn new(claims: Claims, lane: Lane, admission: u64) -> Self {
        Self {
            stage: Stage::Admitted,
            claims,
            admission,
            lane,
        }
    }

    /// Of nothing.
    #[inline]
    pub(crate) fn none() -> Self {
        Self {
            stage: Stage::Ended,
            claims: Claims::new(),
            admission: 0,
            lane: Lane::Rest,
        }
    }

    /// Takes what `claim` wants, where no clock is needed for it. Nothing may be held yet.
    #[inline]
    pub(crate) fn begin_unseen(&mut self, domain: &Domain, claim: Claim) -> bool {
        // Put where it stays before it is taken, since to move it costs more than to take it.
        self.claims.clear();
        self.claims.push(claim);
        let Some(admission) = domain.admit_unseen(&mut self.claims, self.lane) else {
            return false;
        };
        self.admission = admission;
        self.stage = Stage::Admitted;
        true
    }

    /// Whether there is nothing to be ended.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Leaves nothing behind.
    pub(crate) fn take(&mut self) -> Self {
        mem::replace(self, Self::none())
    }

    /// Notes that the request leaves now.
    #[inline]
    pub(crate) fn depart(&mut self, domain: &Domain) {
        if let Stage::Admitted = self.stage {
            let counts = self.claims.iter().any(|claim| claim.counts_departure);
            let departed = counts.then(|| self.departs_now(domain));
            self.stage = Stage::Departed(departed);
        }
    }

    /// Tells the windows that the request leaves now, and says when that is.
    #[inline(never)]
    fn departs_now(&self, domain: &Domain) -> Moment {
        let now = domain.clock.now();
        let (claims, lane) = (&self.claims, self.lane);
        domain.book.with(|book, _| book.depart(now, claims, lane))
    }

    /// Notes that the response headers have arrived.
    #[inline]
    pub(crate) fn answered(&mut self, domain: &Domain) {
        self.depart(domain);
        self.end(domain, Ending::Answered);
    }

    /// Notes that the response headers have arrived, and what they say.
    pub(crate) fn answered_with(&mut self, domain: &Arc<Domain>, mut answer: Answer<'_>) -> Charge {
        self.depart(domain);
        answer.admission = self.admission;
        let departed = self.departed();
        self.stage = Stage::Ended;
        let now = domain.clock.now();
        let holding = Holding {
            claims: &self.claims,
            lane: self.lane,
            departed,
        };
        let answered = domain
            .book
            .with(|book, wakes| book.answered(now, holding, &answer, wakes));
        let claims = mem::take(&mut self.claims);
        Charge::new(domain, claims, self.lane, departed, answered)
    }

    /// Has the windows of these places admit nothing for a time that the server has named.
    ///
    /// All of them: the server does not say which of its limits it means.
    pub(crate) fn throttled(&self, domain: &Domain, pause: Option<Duration>) {
        let now = domain.clock.now();
        let until = pause.map(|pause| now.after(pause));
        for claim in &self.claims {
            domain
                .book
                .with(|book, wakes| book.throttled(now, claim.id, until, wakes));
        }
    }

    /// Ends what is held as one ends it that goes without a word: given back before departure, abandoned after it.
    #[inline]
    pub(crate) fn give_up(&mut self, domain: &Domain) {
        match self.stage {
            Stage::Admitted => self.end(domain, Ending::NeverLeft),
            Stage::Departed(_) => {
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
        let holding = Holding {
            claims: &self.claims,
            lane: self.lane,
            departed: None,
        };
        self.stage = Stage::Ended;
        let now = domain.clock.now();
        domain
            .book
            .with(|book, wakes| book.take_back(now, holding, wakes));
    }

    /// Ends it, once.
    pub(crate) fn end(&mut self, domain: &Domain, ending: Ending) {
        if self.is_over() {
            return;
        }
        let holding = Holding {
            claims: &self.claims,
            lane: self.lane,
            departed: self.departed(),
        };
        self.stage = Stage::Ended;
        let now = domain.clock.now();
        domain
            .book
            .with(|book, wakes| book.end(now, holding, ending, wakes));
    }

    #[inline]
    fn departed(&self) -> Option<Moment> {
        match self.stage {
            Stage::Departed(departed) => departed,
            Stage::Admitted | Stage::Ended => None,
        }
    }
}
