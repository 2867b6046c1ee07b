//! Quota policies that go by their quota, as in drafts 6 and 7: `10;w=1, 1000;w=3600`.

use std::time::Duration;

use http::HeaderMap;

use super::ietf::POLICY;
use super::items::{Item, Items, Name};
use super::stated::Stated;
use super::statements::Statements;

/// A quota, and its window if it tells.
type Policy = (u64, Option<Duration>);

/// The policies of one response; those that find no room are left out.
#[derive(Debug, Default)]
pub(super) struct Policies {
    all: [Option<Policy>; Statements::CAPACITY],
}

impl Policies {
    /// Reads `RateLimit-Policy`; none, if it is malformed, or two policies have one quota.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut policies = Self::default();
        for item in Items::of(headers, &POLICY, is_policy).iter() {
            if let Name::Number(quota) = item.name {
                if policies.iter().any(|&(other, _)| other == quota) {
                    return Self::default();
                }
                policies.add(item);
            }
        }
        policies
    }

    /// Adds the policy that `item` is; of two with one quota the longer window counts.
    pub(super) fn add(&mut self, item: &Item<'_>) {
        let Name::Number(quota) = item.name else {
            return;
        };
        let window = item.w.seconds();
        for place in &mut self.all {
            match place {
                Some((other, known)) if *other == quota => *known = window.max(*known),
                Some(_) => continue,
                None => *place = Some((quota, window)),
            }
            return;
        }
    }

    /// States the limit that `stated` is about, with the window of the policy that has its quota, and then all other policies.
    pub(super) fn state(&self, stated: Stated, into: &mut Statements) {
        let mut stated = stated;
        let is_its = |&&(quota, _): &&Policy| stated.limit == Some(quota);
        let its = self.iter().find(is_its).copied();
        if let Some((_, window)) = its {
            stated.window = window.or(stated.window);
        }
        into.push(stated);
        for &(quota, window) in self.iter().filter(|&&policy| Some(policy) != its) {
            let policy = Stated::new().limit(quota);
            into.push(Stated { window, ..policy });
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.all.iter().flatten()
    }
}

fn is_policy(item: &Item<'_>) -> bool {
    matches!(item.name, Name::Number(_)) && !item.w.is_malformed()
}
