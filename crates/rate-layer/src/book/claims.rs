//! What one request wants of the windows, and which of it is whose.
//!
//! Of each window it wants one number of places, all or none, and stands in one line for them: what several rules count there is
//! summed up. So much is all that windows need to know. What each of those rules has added is kept beside, as its share, for what
//! is said of one of them later.

use std::ops::{Deref, DerefMut};

use smallvec::SmallVec;

use crate::book::limiters::Id;
use crate::book::waiter::Claim;

/// What a request wants, all or nothing: one claim on each window. Most want one thing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    each: Each,
    /// None as long as no two rules want something of the same window.
    shares: Option<Box<Shares>>,
}

type Each = SmallVec<[Claim; 1]>;
type Shares = SmallVec<[Share; 2]>;

/// What one of several rules counts in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    id: Id,
    cost: u32,
    /// Which of the layer's rules, as long as it may say something else.
    rule: Option<u8>,
}

impl Share {
    /// Whether it is one of what `claim` sums up.
    #[inline]
    fn is_of(&self, claim: &Claim) -> bool {
        self.id == claim.id
    }
}

impl Claims {
    #[inline]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    #[inline]
    pub(crate) fn one(claim: Claim) -> Self {
        Self {
            each: Each::from_buf([claim]),
            shares: None,
        }
    }

    /// Adds what a rule wants: to what others want of the same window, if there are some.
    pub(crate) fn add(&mut self, claim: Claim) {
        match self.each.iter_mut().find(|other| other.id == claim.id) {
            Some(sum) => {
                share(self.shares.get_or_insert_default(), sum, &claim);
                sum.cost = sum.cost.saturating_add(claim.cost);
            }
            None => self.each.push(claim),
        }
    }

    /// What the rules of one window have each added, where that is not one rule alone.
    #[inline]
    pub(crate) fn shares(&self) -> &[Share] {
        self.shares.as_ref().map_or(&[], |shares| shares.as_slice())
    }

    /// Hands out the claims where there is nothing else to be known.
    pub(crate) fn into_unshared(self) -> Result<Each, Self> {
        match self.shares {
            None => Ok(self.each),
            Some(_) => Err(self),
        }
    }

    /// What each rule counts that may yet say something else, with its number. In no order.
    pub(crate) fn by_rule(&self) -> impl Iterator<Item = (u8, u32)> {
        let shares = self.shares();
        self.each.iter().flat_map(move |claim| {
            let own = shares.iter().filter(|share| share.is_of(claim));
            // More than can be told apart are as many as can.
            let parts = own.filter_map(|share| Some((share.rule?, share.cost.min(claim.cost))));
            let alone = !is_shared(shares, claim);
            parts.chain(alone.then_some((claim.rule, claim.cost)))
        })
    }

    /// Notes what rules count for `claim`, one of these, of which something is `told`. Says what all together count there, if
    /// anything is.
    pub(crate) fn restate(
        &mut self,
        claim: &Claim,
        told: impl Fn(u8) -> Option<u32>,
    ) -> Option<u32> {
        let shares = match &mut self.shares {
            Some(shares) if is_shared(shares, claim) => shares,
            _ => return told(claim.rule),
        };
        let (mut sum, mut is_told) = (0_u32, false);
        for share in shares.iter_mut().filter(|share| share.is_of(claim)) {
            if let Some(cost) = share.rule.and_then(&told) {
                share.cost = cost;
                is_told = true;
            }
            sum = sum.saturating_add(share.cost);
        }
        is_told.then_some(sum)
    }

    /// Keeps what may yet be said something else of by the rules that `may` names.
    pub(crate) fn settle(&mut self, may: impl Fn(u8) -> bool) {
        for share in self.shares.iter_mut().flat_map(|shares| shares.iter_mut()) {
            share.rule = share.rule.filter(|&rule| may(rule));
        }
        let shares = self
            .shares
            .as_ref()
            .map_or(&[][..], |shares| shares.as_slice());
        self.each.retain(|claim| match is_shared(shares, claim) {
            true => shares
                .iter()
                .any(|share| share.is_of(claim) && share.rule.is_some()),
            false => may(claim.rule),
        });
    }
}

/// Adds the share of what `claim` adds to `sum`; and the one of what has been there, where it is the second.
fn share(shares: &mut Shares, sum: &Claim, claim: &Claim) {
    let of = |claim: &Claim| Share {
        id: claim.id,
        cost: claim.cost,
        rule: Some(claim.rule),
    };
    if !is_shared(shares, sum) {
        shares.push(of(sum));
    }
    shares.push(of(claim));
}

/// Whether `claim` sums up what several rules want.
#[inline]
fn is_shared(shares: &[Share], claim: &Claim) -> bool {
    shares.iter().any(|share| share.is_of(claim))
}

/// Whether the rule with this number is one of those that `claim` is of.
#[inline]
pub(crate) fn is_of_rule(claim: &Claim, shares: &[Share], rule: u8) -> bool {
    let shares_it = |share: &Share| share.is_of(claim) && share.rule == Some(rule);
    claim.rule == rule || shares.iter().any(shares_it)
}

impl Clone for Claims {
    fn clone(&self) -> Self {
        Self {
            // Not one by one.
            each: Each::from_slice(&self.each),
            shares: self.shares.clone(),
        }
    }
}

impl Deref for Claims {
    type Target = [Claim];

    #[inline]
    fn deref(&self) -> &[Claim] {
        &self.each
    }
}

impl DerefMut for Claims {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Claim] {
        &mut self.each
    }
}

impl From<Vec<Claim>> for Claims {
    fn from(each: Vec<Claim>) -> Self {
        Self {
            each: Each::from_vec(each),
            shares: None,
        }
    }
}

impl FromIterator<Claim> for Claims {
    fn from_iter<I: IntoIterator<Item = Claim>>(claims: I) -> Self {
        let mut all = Self::new();
        claims.into_iter().for_each(|claim| all.add(claim));
        all
    }
}
