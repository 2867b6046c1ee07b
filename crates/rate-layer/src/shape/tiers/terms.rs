//! What the limits of one key come down to.

use crate::moment::Moment;
use crate::pace::Pace;
use crate::quota::{Quotas, Tier as Wanted};
use crate::server::clock::ServerClock;
use crate::shape::rolling::Correction;
use crate::shape::terms::Terms;

/// What the limits of one key come down to. The same for all keys of a kind.
#[derive(Debug)]
pub(crate) struct AllTerms {
    // Most have one; it is not put into a box.
    pub(super) first: TierTerms,
    pub(super) more: Box<[TierTerms]>,
    /// Whether there is one window and nothing else, no place of which is reserved, and which goes by the program's clock and the
    /// headers alone: what most have.
    pub(super) are_plain: bool,
    /// Whether it makes a difference to one of them when a request departs.
    count_departures: bool,
    /// Whether one of them goes by when a place is taken, not only by whether it is free.
    need_the_time: bool,
}

/// What one limit comes down to.
#[derive(Debug)]
pub(crate) enum TierTerms {
    Window(Terms),
    Pace(Pace),
}

impl AllTerms {
    pub(crate) fn new(quotas: &Quotas) -> Self {
        let tiers = quotas.tiers().iter().map(|tier| match *tier {
            Wanted::Window(quota) => TierTerms::Window(Terms::new(quota)),
            Wanted::Pace(pace) => TierTerms::Pace(pace),
        });
        let tiers: Vec<_> = tiers.collect();
        // An aligned window learns from it where the server's clock stands.
        let counts = |terms: &TierTerms| matches!(terms, TierTerms::Window(terms) if terms.frees_before_headers() || terms.quota.is_aligned());
        let count_departures = tiers.iter().any(counts);
        let is_pace = |terms: &TierTerms| matches!(terms, TierTerms::Pace(_));
        let need_the_time = tiers.iter().any(is_pace);
        let are_plain = match &tiers[..] {
            [TierTerms::Window(terms)] => !count_departures && terms.quota.reserved() == 0,
            _ => false,
        };
        let mut tiers = tiers.into_iter();
        Self {
            first: tiers.next().expect("a quota holds to something"),
            more: tiers.collect(),
            are_plain,
            count_departures,
            need_the_time,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TierTerms> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// The terms of the windows among them.
    pub(crate) fn windows(&self) -> impl Iterator<Item = &Terms> {
        self.iter().filter_map(|terms| match terms {
            TierTerms::Window(terms) => Some(terms),
            TierTerms::Pace(_) => None,
        })
    }

    /// Whether it is to be known when a place is taken: a pace that is told an old time takes a departure for an old one, and lets
    /// the next go too early.
    #[inline]
    pub(crate) fn need_the_time(&self) -> bool {
        self.need_the_time
    }

    /// When the last place frees of a request that has cost something else.
    pub(crate) fn corrected(&self, by: Correction, server: &ServerClock) -> Moment {
        let free_at = self.windows().map(|terms| terms.corrected(by, server));
        free_at.max().unwrap_or(Moment::START)
    }

    /// Whether one of them becomes what the server states.
    pub(crate) fn adopt(&self) -> bool {
        self.windows().any(|terms| terms.quota.ceiling() > 0)
    }

    /// Whether one of them follows the server's clock.
    pub(crate) fn are_aligned(&self) -> bool {
        self.windows().any(|terms| terms.quota.is_aligned())
    }

    /// Whether it makes a difference when a request departs.
    #[inline]
    pub(crate) fn count_departures(&self) -> bool {
        self.count_departures
    }
}
