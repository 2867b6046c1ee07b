//! What may go wrong on purpose.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::latency::Latency;

/// What a server does wrong, and how often.
///
/// Nothing by default. Fields named after an event are its probability per request, 0 to 1; each request draws all
/// of its faults at once from a seeded generator. A connection that goes takes all requests on it along. As JSON (`POST /__sandbox/faults`) what is left out is off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Time between the arrival of a request and the moment at which it is counted.
    pub latency_before: Latency,
    /// Time between that moment and the response's headers; the work is done half-way.
    pub latency_after: Latency,
    /// Requests get their stamp this long after the response's headers, and occupy a place until then.
    pub count_late: Latency,
    /// Stamps are whole seconds, compared inclusively.
    pub whole_seconds: bool,
    /// A 5xx after the request was counted, before any work.
    pub server_error: f64,
    /// A 5xx after the work was done.
    pub server_error_after: f64,
    /// The connection goes before the request is counted.
    pub drop_before: f64,
    /// The connection goes after the request is counted; the work is finished all the same, after the client knows.
    pub drop_during: f64,
    /// The work is finished, and the connection goes instead of the answer.
    pub drop_after: f64,
    /// The answer's headers arrive, half of its body, and no more.
    pub cut_body: f64,
    /// The answer arrives, and its connection takes no more requests: GOAWAY, or `connection: close`.
    pub retire: f64,
    /// Dropped connections are reset rather than closed.
    pub reset: bool,
    /// Tokens (not requests) that die after `expire_early_at` of their lifetime, whatever their `exp` says.
    pub expire_early: f64,
    /// The part of its lifetime that such a token has, 0 to 1.
    pub expire_early_at: f64,
    /// Tokens (not requests) that are rejected though fresh. A token that is rejected is rejected each time.
    pub reject_fresh: f64,
    /// Seconds by which the server's clock is off, in the `Date` header, in `iat` and `exp`, and in checks of them.
    pub clock_offset: i64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency_before: Latency::None,
            latency_after: Latency::None,
            count_late: Latency::None,
            whole_seconds: false,
            server_error: 0.0,
            server_error_after: 0.0,
            drop_before: 0.0,
            drop_during: 0.0,
            drop_after: 0.0,
            cut_body: 0.0,
            retire: 0.0,
            reset: false,
            expire_early: 0.0,
            expire_early_at: 0.5,
            reject_fresh: 0.0,
            clock_offset: 0,
        }
    }
}

impl Faults {
    /// No faults at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A network's ordinary day: 20 ms (99th percentile 200 ms) each way.
    #[must_use]
    pub fn network() -> Self {
        let way = Latency::LogNormal {
            median: Duration::from_millis(20),
            p99: Duration::from_millis(200),
        };
        Self {
            latency_before: way,
            latency_after: way,
            ..Self::default()
        }
    }

    /// Whether every probability is one.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        [
            self.server_error + self.server_error_after,
            self.drop_before,
            self.drop_during + self.drop_after,
            self.cut_body + self.retire,
            self.expire_early,
            self.expire_early_at,
            self.reject_fresh,
        ]
        .iter()
        .all(|probability| (0.0..=1.0).contains(probability))
    }

    /// Draws everything that one request will meet.
    pub(crate) fn draw(&self, dice: &mut fastrand::Rng) -> Drawn {
        let before = self.latency_before.sample(dice);
        let after = self.latency_after.sample(dice);
        let late = self.count_late.sample(dice);
        // Always four numbers a request: switching one fault on does not shift the others.
        let [error, before_drop, rest, cut] = [dice.f64(), dice.f64(), dice.f64(), dice.f64()];
        let end = if before_drop < self.drop_before {
            End::DropBefore
        } else if error < self.server_error {
            End::ServerError
        } else if error < self.server_error + self.server_error_after {
            End::ServerErrorAfter
        } else if rest < self.drop_during {
            End::DropDuring
        } else if rest < self.drop_during + self.drop_after {
            End::DropAfter
        } else if cut < self.cut_body {
            End::CutBody
        } else if cut >= 1.0 - self.retire {
            End::Retire
        } else {
            End::Answer
        };
        Drawn {
            before,
            after,
            late: (!self.count_late.is_none()).then_some(late),
            end,
        }
    }
}

/// What one request will meet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn {
    pub(crate) before: Duration,
    pub(crate) after: Duration,
    pub(crate) late: Option<Duration>,
    pub(crate) end: End,
}

/// How one request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answer,
    ServerError,
    ServerErrorAfter,
    DropBefore,
    DropDuring,
    DropAfter,
    CutBody,
    Retire,
}
