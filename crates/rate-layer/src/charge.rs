//! What a request has cost, once that is known.

use std::sync::Arc;

use parking_lot::Mutex;
use smallvec::{SmallVec, smallvec};

use crate::book::claims::Claims;
use crate::book::waiter::Wakes;
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
///
/// Where several ask for it, such as layers around each other, there is one charge for all of them: what is set holds for each, and
/// [`each`](Self::each) tells them apart.
///
/// Where two rules count a request in one window, since their keys are the same for once, each has its share there: what is set for
/// one leaves the other's alone, and the window counts the sum.
///
/// ```
/// use rate_layer::Charge;
///
/// # fn read(response: &mut http::Response<()>, requests: u32, tokens: u32) {
/// // Two layers ask: the outer one counts requests, the inner one tokens.
/// if let Some(charge) = response.extensions().get::<Charge>() {
///     for (mut charge, cost) in charge.each().zip([requests, tokens]) {
///         charge.set(cost);
///     }
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Charge {
    /// Those of the outermost layer first.
    parts: SmallVec<[Part; 1]>,
}

/// What one layer asks for.
#[derive(Clone, Debug)]
struct Part {
    domain: Arc<Domain>,
    /// What each counts for now, which clones share.
    claims: Arc<Mutex<Claims>>,
    /// Which of the layer's rules it speaks of, if not of all.
    rule: Option<u8>,
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
            parts: smallvec![Part {
                domain: Arc::clone(domain),
                claims: Arc::new(Mutex::new(claims)),
                rule: None,
                lane,
                departed,
                answered,
            }],
        }
    }

    /// Keeps the claims of the rules that `of` names.
    pub(crate) fn only(mut self, of: impl Fn(u8) -> bool) -> Option<Self> {
        self.parts.retain(|part| {
            let mut claims = part.claims.lock();
            claims.settle(&of);
            !claims.is_empty()
        });
        (!self.parts.is_empty()).then_some(self)
    }

    /// Speaks of what `inner` speaks of as well: of layers inside.
    pub(crate) fn around(mut self, inner: Self) -> Self {
        self.parts.extend(inner.parts);
        self
    }

    /// States that the request has cost `cost` places, whatever was thought before.
    ///
    /// Clones are one charge: what one of them states, all know.
    pub fn set(&mut self, cost: u32) {
        self.set_by(|_| Some(cost));
    }

    /// States what the request has cost by those rules of which something is `told`.
    pub(crate) fn set_by(&mut self, told: impl Fn(u8) -> Option<u32>) {
        let mut wakes = Wakes::default();
        for part in &self.parts {
            part.set_by(&told, &mut wakes);
        }
        // Once all is set, and without a lock: who is woken may look at this very charge, or panic.
        wakes.fire();
    }

    /// What the request is taken to have cost, by the first of the rules that ask.
    pub fn cost(&self) -> u32 {
        self.parts.first().map_or(0, Part::cost)
    }

    /// One charge for each rule that asks: those of the outermost layer first, and of each layer in the order in which they were added.
    ///
    /// They are clones, each of a part of this one.
    pub fn each(&self) -> impl Iterator<Item = Self> {
        let parts = self.parts.iter().flat_map(Part::by_rule);
        let parts: SmallVec<[Part; 4]> = parts.collect();
        parts.into_iter().map(|part| Self {
            parts: smallvec![part],
        })
    }
}

impl Part {
    fn set_by(&self, told: impl Fn(u8) -> Option<u32>, wakes: &mut Wakes) {
        let now = self.domain.clock.now();
        let mut claims = self.claims.lock();
        for number in 0..claims.len() {
            let claim = claims[number];
            let told = |rule| told(rule).filter(|_| self.is_about(rule));
            let Some(cost) = claims.restate(&claim, told) else {
                continue;
            };
            let by = Correction {
                lane: self.lane,
                before: claim.cost,
                cost,
                departed: self.departed,
                answered: self.answered,
            };
            claims[number].cost = self
                .domain
                .book
                .with_later(wakes, |book, wakes| book.correct(now, claim, by, wakes));
        }
    }

    fn cost(&self) -> u32 {
        let claims = self.claims.lock();
        let own = claims.by_rule().filter(|&(rule, _)| self.is_about(rule));
        own.min().map_or(0, |(_, cost)| cost)
    }

    fn is_about(&self, rule: u8) -> bool {
        self.rule.is_none_or(|own| own == rule)
    }

    fn by_rule(&self) -> SmallVec<[Self; 4]> {
        let claims = self.claims.lock();
        let mut rules: SmallVec<[u8; 4]> = claims
            .by_rule()
            .map(|(rule, _)| rule)
            .filter(|&rule| self.is_about(rule))
            .collect();
        rules.sort_unstable();
        let part = |rule| Self {
            rule: Some(rule),
            ..self.clone()
        };
        rules.into_iter().map(part).collect()
    }
}
