//! What a request has cost, once that is known.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::book::waiter::Claims;
use crate::domain::Domain;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shape::rolling::Correction;

/// Sets right what an answered request has cost.
///
/// Some servers count what a request turns out to need, such as tokens of a model's answer, and tell it in the response. A layer
/// with [`Rule::charged_later`](crate::Rule::charged_later) puts a charge into the response's extensions, for programs that
/// learn the cost from the body; what stands in the headers is set right by [`Rule::correct`](crate::Rule::correct).
///
/// More than was free may be charged: then nothing is admitted until enough of it has left the window. Once the request itself has
/// left the window, setting the cost changes nothing; until then its key is not forgotten, also where it is said to have cost
/// nothing. A [`Pace`](crate::Pace) keeps to what was admitted.
#[derive(Clone, Debug)]
pub struct Charge {
    domain: Arc<Domain>,
    /// What each counts for now, which clones share.
    claims: Arc<Mutex<Claims>>,
    lane: Lane,
    departed: Option<Moment>,
    answered: Moment,
}

impl Charge {
    pub(crate) fn new(
        domain: &Arc<Domain>,
        claims: Claims,
        lane: Lane,
        departed: Option<Moment>,
        answered: Moment,
    ) -> Self {
        Self {
            domain: Arc::clone(domain),
            claims: Arc::new(Mutex::new(claims)),
            lane,
            departed,
            answered,
        }
    }

    /// Keeps the claims of the rules that `of` names.
    pub(crate) fn only(self, of: impl Fn(u8) -> bool) -> Option<Self> {
        let mut claims = self.claims.lock();
        claims.retain(|claim| of(claim.rule));
        let is_empty = claims.is_empty();
        drop(claims);
        (!is_empty).then_some(self)
    }

    /// States that the request has cost `cost` places, whatever was thought before.
    ///
    /// Clones are one charge: what one of them states, all know.
    pub fn set(&mut self, cost: u32) {
        self.set_for(|_| true, cost);
    }

    /// States what the request has cost by the rules that `of` names.
    pub(crate) fn set_for(&mut self, of: impl Fn(u8) -> bool, cost: u32) {
        let now = self.domain.clock.now();
        let mut claims = self.claims.lock();
        for claim in claims.iter_mut().filter(|claim| of(claim.rule)) {
            let by = Correction {
                lane: self.lane,
                before: claim.cost,
                cost,
                departed: self.departed,
                answered: self.answered,
            };
            let corrected = *claim;
            claim.cost = self
                .domain
                .book
                .with(|book, wakes| book.correct(now, corrected, by, wakes));
        }
    }

    /// What the request is taken to have cost, in the first of the windows that count it.
    pub fn cost(&self) -> u32 {
        self.claims.lock().first().map_or(0, |claim| claim.cost)
    }
}
