//! Several limits that hold for the same requests.

use std::fmt;
use std::time::Duration;

use crate::pace::Pace;
use crate::quota::{MINUTE, Quota};

/// Limits that hold together: a request takes places in all of them, or waits until it can.
///
/// Made from a [`Quota`] or a [`Pace`], by [`and`](Self::and) from several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotas(Vec<Tier>);

/// One of several limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tier {
    /// So many in a window.
    Window(Quota),
    /// So far apart.
    Pace(Pace),
}

/// As people say it: `20 per 5s`; of a pace, `1 per 600ms`, and with a burst `1 per 6s, 10 at once`.
///
/// ```
/// use rate_layer::{MINUTE, Pace, Quota, SECOND};
///
/// let quotas = Quota::rolling(20, 5 * SECOND).and(Quota::aligned(100, MINUTE)).and(Pace::every(6 * SECOND).burst(10));
/// let said: Vec<String> = quotas.tiers().iter().map(ToString::to_string).collect();
/// assert_eq!(said, ["20 per 5s", "100 per 60s of the clock", "1 per 6s, 10 at once"]);
/// ```
impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window(quota) => {
                write!(f, "{} per {:?}", quota.limit(), quota.window())?;
                f.write_str(if quota.is_aligned() {
                    " of the clock"
                } else {
                    ""
                })
            }
            Self::Pace(pace) => {
                write!(f, "1 per {:?}", pace.period())?;
                match pace.at_once() {
                    1 => Ok(()),
                    burst => write!(f, ", {burst} at once"),
                }
            }
        }
    }
}

impl Quotas {
    /// Adds `other`.
    #[must_use]
    pub fn and(mut self, other: impl Into<Self>) -> Self {
        self.0.extend(other.into().0);
        self
    }

    /// Long enough to be third in a place: for it to be taken and freed twice, with a tenth of the window for the answers. At a
    /// pace, where places are never far, a minute at the least.
    pub(crate) fn two_turns(&self) -> Duration {
        let turns = self.0.iter().map(|tier| match tier {
            Tier::Window(quota) => {
                let held = quota.hold().saturating_mul(2);
                held.saturating_add(quota.window() / 10)
            }
            Tier::Pace(pace) => {
                let burst = pace.period().saturating_mul(pace.at_once());
                burst.saturating_mul(2).max(MINUTE)
            }
        });
        turns.max().unwrap_or_default()
    }

    /// Whether one of them follows the server's clock.
    pub(crate) fn are_aligned(&self) -> bool {
        let aligned = |tier: &Tier| matches!(tier, Tier::Window(quota) if quota.is_aligned());
        self.0.iter().any(aligned)
    }

    /// The limits, in the order in which they were added; one at least.
    pub fn tiers(&self) -> &[Tier] {
        &self.0
    }
}

impl From<Quota> for Quotas {
    fn from(quota: Quota) -> Self {
        Self(vec![Tier::Window(quota)])
    }
}

impl From<Pace> for Quotas {
    fn from(pace: Pace) -> Self {
        Self(vec![Tier::Pace(pace)])
    }
}

impl Pace {
    /// Holds requests to `other` as well: each waits until both let it go.
    #[must_use]
    pub fn and(self, other: impl Into<Quotas>) -> Quotas {
        Quotas::from(self).and(other)
    }
}
