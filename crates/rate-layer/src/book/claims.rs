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
    /// What the only rule of `claim` counts.
    fn of(claim: &Claim) -> Self {
        Self {
            id: claim.id,
            cost: claim.cost,
            rule: Some(claim.rule),
        }
    }

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

    /// All in one piece: the claims, and after them the shares, as claims of one rule each. None may be settled yet.
    pub(crate) fn into_flat(self) -> Box<[Claim]> {
        let mut all = self.each;
        let shares = self.shares.iter().flat_map(|shares| shares.iter());
        all.extend(shares.map(|share| Claim {
            rule: share.rule.unwrap_or_default(),
            ..Claim::new(share.id, share.cost)
        }));
        all.into_boxed_slice()
    }

    /// What [`into_flat`](Self::into_flat) has put into one piece, of which the last are `shares`.
    pub(crate) fn of_flat(all: Box<[Claim]>, shares: usize) -> Self {
        let mut each = all.into_vec();
        let own = each.drain(each.len() - shares..);
        let own: Shares = own.map(|claim| Share::of(&claim)).collect();
        Self {
            each: Each::from_vec(each),
            shares: (shares > 0).then(|| Box::new(own)),
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
    if !is_shared(shares, sum) {
        shares.push(Share::of(sum));
    }
    shares.push(Share::of(claim));
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

impl FromIterator<Claim> for Claims {
    fn from_iter<I: IntoIterator<Item = Claim>>(claims: I) -> Self {
        let mut all = Self::new();
        claims.into_iter().for_each(|claim| all.add(claim));
        all
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::book::Book;
    use crate::moment::Moment;
    use crate::quota::{Quota, SECOND};

    fn windows() -> [Id; 2] {
        let mut book = Book::new(Moment::START);
        let quotas = Quota::rolling(10, SECOND).into();
        [(); 2].map(|()| book.open(Moment::START, &quotas))
    }

    /// Rules by their number, each of which wants something of a window.
    fn of(wants: &[(Id, u32)]) -> Claims {
        let wants = wants.iter().zip(0..);
        let claims = wants.map(|(&(id, cost), rule)| Claim {
            rule,
            ..Claim::new(id, cost)
        });
        claims.collect()
    }

    fn costs(claims: &Claims) -> Vec<u32> {
        claims.iter().map(|claim| claim.cost).collect()
    }

    fn by_rule(claims: &Claims) -> Vec<(u8, u32)> {
        let mut all: Vec<_> = claims.by_rule().collect();
        all.sort_unstable();
        all
    }

    /// Tells a rule's cost, and has the window count what follows.
    fn tell(claims: &mut Claims, rule: u8, cost: u32) {
        for number in 0..claims.len() {
            let claim = claims[number];
            if let Some(sum) = claims.restate(&claim, |other| (other == rule).then_some(cost)) {
                claims[number].cost = sum;
            }
        }
    }

    #[test]
    fn what_three_rules_want_of_two_windows_are_two_claims() {
        let [a, b] = windows();
        for (wants, sums) in [
            ([(a, 1), (b, 20), (a, 300)], vec![301, 20]),
            ([(a, 1), (a, 20), (b, 300)], vec![21, 300]),
            ([(b, 1), (a, 20), (a, 300)], vec![1, 320]),
            ([(a, 1), (a, 20), (a, 300)], vec![321]),
        ] {
            let mut claims = of(&wants);
            assert_eq!(costs(&claims), sums);
            assert_eq!(by_rule(&claims), [(0, 1), (1, 20), (2, 300)]);
            let mut told = wants.map(|want| want.1);
            for (rule, cost) in [(2, 0), (0, 50), (1, 21), (2, 299), (0, 0)] {
                tell(&mut claims, rule, cost);
                told[usize::from(rule)] = cost;
                let of = |id: Id| wants.iter().zip(told).filter(move |(want, _)| want.0 == id);
                for claim in claims.iter() {
                    assert_eq!(claim.cost, of(claim.id).map(|(_, cost)| cost).sum::<u32>());
                }
                assert_eq!(by_rule(&claims), [(0, told[0]), (1, told[1]), (2, told[2])]);
            }
        }
    }

    #[test]
    fn one_rule_for_each_window_leaves_nothing_to_be_kept_beside() {
        let [a, b] = windows();
        for wants in [&[(a, 1)][..], &[(a, 1), (b, 2)]] {
            let claims = of(wants);
            assert!(claims.shares().is_empty());
        }
        assert_eq!(of(&[(a, 1), (b, 2), (a, 3)]).shares().len(), 2);
    }

    #[test]
    fn in_one_piece_nothing_is_lost() {
        let [a, b] = windows();
        for wants in [
            &[(a, 1)][..],
            &[(a, 1), (b, 2)],
            &[(a, 1), (b, 2), (a, 3)],
            &[(b, 1), (b, 9)],
        ] {
            let claims = of(wants);
            let shares = claims.shares().len();
            let all = claims.clone().into_flat();
            assert_eq!(all.len(), claims.len() + shares);
            assert_eq!(Claims::of_flat(all, shares), claims);
        }
    }

    #[test]
    fn more_than_can_be_counted_is_set_right_to_what_it_is() {
        let [a, _] = windows();
        let mut claims = of(&[(a, u32::MAX), (a, 7)]);
        assert_eq!(costs(&claims), [u32::MAX]);
        tell(&mut claims, 1, 9);
        assert_eq!(costs(&claims), [u32::MAX]);
        tell(&mut claims, 0, 5);
        assert_eq!(costs(&claims), [14]);
    }

    #[test]
    fn a_rule_that_is_settled_is_told_nothing_and_counts_on() {
        let [a, b] = windows();
        let all = of(&[(a, 1), (b, 20), (a, 300)]);
        for (kept, sums, rules) in [
            (vec![2], vec![301], vec![(2, 300)]),
            (vec![0], vec![301], vec![(0, 1)]),
            (vec![1], vec![20], vec![(1, 20)]),
            (vec![], vec![], vec![]),
            (vec![0, 1], vec![301, 20], vec![(0, 1), (1, 20)]),
        ] {
            let mut claims = all.clone();
            claims.settle(|rule| kept.contains(&rule));
            assert_eq!(
                (costs(&claims), by_rule(&claims)),
                (sums, rules),
                "{kept:?}"
            );
        }
        let mut claims = all.clone();
        claims.settle(|rule| rule == 2);
        tell(&mut claims, 0, 1_000);
        assert_eq!(costs(&claims), [301]);
        tell(&mut claims, 2, 4);
        assert_eq!(costs(&claims), [5]);
    }
}
