//! How a request is turned away, or given up, by this layer.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use call_context::{NeverLeft, Refusal, SlotName};

use crate::book::outcome::Denied;
use crate::moment::Moment;

/// A request that this layer turned away or gave up.
///
/// Find it by downcasting the `BoxError` that the service returns. Where the request never left, the source is a
/// [`NeverLeft`]: retrying is safe, and it has cost no place.
#[derive(Debug)]
pub struct RateError {
    cause: Cause,
}

/// What kind of [`RateError`] it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RateErrorKind {
    /// As many requests wait as may.
    QueueFull,
    /// No place was free, and the layer is told never to wait.
    WouldWait,
    /// A place could not be had within the time that the request may wait.
    Deadline,
    /// The request costs more places than its window has.
    CostTooHigh,
    /// No window is set for the request's slot, or the request has no key by which it would have one.
    NoWindow,
    /// There are windows for as many keys as may be, and all of them count still.
    TooManyKeys,
    /// The credential is on the request already, and would grow stale in the queue.
    WrongOrder,
    /// The service below was not ready in time, which the call's deadline may have cut short.
    NotReady,
    /// The response headers did not come in time. The server may have processed the request.
    AnswerTimeout,
}

#[derive(Debug)]
enum Cause {
    QueueFull {
        bound: usize,
        wait: Duration,
    },
    WouldWait {
        wait: Option<Duration>,
    },
    TooLate {
        wait: Duration,
        patience: Duration,
    },
    OutOfPatience {
        patience: Duration,
        wait: Option<Duration>,
    },
    CostTooHigh {
        cost: u32,
        limit: u32,
    },
    NoWindow {
        slot: Option<SlotName>,
    },
    NoKey,
    TooManyKeys {
        most: usize,
    },
    AttachedAbove,
    NotReady {
        within: Duration,
    },
    NotReadyByDeadline,
    AnswerTimeout {
        within: Duration,
    },
}

impl RateError {
    /// What kind it is.
    pub fn kind(&self) -> RateErrorKind {
        match self.cause {
            Cause::QueueFull { .. } => RateErrorKind::QueueFull,
            Cause::WouldWait { .. } => RateErrorKind::WouldWait,
            Cause::TooLate { .. } | Cause::OutOfPatience { .. } => RateErrorKind::Deadline,
            Cause::CostTooHigh { .. } => RateErrorKind::CostTooHigh,
            Cause::NoWindow { .. } | Cause::NoKey => RateErrorKind::NoWindow,
            Cause::TooManyKeys { .. } => RateErrorKind::TooManyKeys,
            Cause::AttachedAbove => RateErrorKind::WrongOrder,
            Cause::NotReady { .. } | Cause::NotReadyByDeadline => RateErrorKind::NotReady,
            Cause::AnswerTimeout { .. } => RateErrorKind::AnswerTimeout,
        }
    }

    /// In what time, from the refusal on, a place could have been had, behind all who waited then.
    ///
    /// `None` where waiting is not what the request lacks, or nobody can say: while the program has
    /// [paused](crate::Window::pause) a window, and while the first response is awaited that says how much of it is left.
    pub fn retry_in(&self) -> Option<Duration> {
        match self.cause {
            Cause::QueueFull { wait, .. } | Cause::TooLate { wait, .. } => Some(wait),
            Cause::WouldWait { wait } | Cause::OutOfPatience { wait, .. } => wait,
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn would_wait(denied: Denied, now: Moment, cost: u32) -> Self {
        match denied {
            Denied::TooLate(turn) | Denied::Full(turn) => Self::because(Cause::WouldWait {
                wait: (turn != Moment::NEVER).then(|| turn.since(now)),
            }),
            Denied::Never(most) => Self::cost_too_high(cost, most),
            Denied::TooManyKeys(most) => Self::because(Cause::TooManyKeys { most }),
        }
    }

    pub(crate) fn denied(
        denied: Denied,
        now: Moment,
        cost: u32,
        patience: Duration,
        bound: usize,
    ) -> Self {
        match denied {
            Denied::TooLate(turn) => Self::because(Cause::TooLate {
                wait: turn.since(now),
                patience,
            }),
            Denied::Full(turn) => Self::because(Cause::QueueFull {
                bound,
                wait: turn.since(now),
            }),
            Denied::Never(_) | Denied::TooManyKeys(_) => Self::would_wait(denied, now, cost),
        }
    }

    pub(crate) fn out_of_patience(patience: Duration, wait: Option<Duration>) -> Self {
        Self::because(Cause::OutOfPatience { patience, wait })
    }

    pub(crate) fn no_window(slot: Option<SlotName>) -> Self {
        Self::because(Cause::NoWindow { slot })
    }

    pub(crate) fn attached_above() -> Self {
        Self::because(Cause::AttachedAbove)
    }

    pub(crate) fn not_ready_by_deadline() -> Self {
        Self::because(Cause::NotReadyByDeadline)
    }

    pub(crate) fn not_ready(within: Duration) -> Self {
        Self::because(Cause::NotReady { within })
    }

    pub(crate) fn answer_timeout(within: Duration) -> Self {
        Self::because(Cause::AnswerTimeout { within })
    }

    pub(crate) fn no_key() -> Self {
        Self::because(Cause::NoKey)
    }

    pub(crate) fn cost_too_high(cost: u32, limit: u32) -> Self {
        Self::because(Cause::CostTooHigh { cost, limit })
    }

    #[inline]
    fn because(cause: Cause) -> Self {
        Self { cause }
    }

    /// The mark that says that the request never left, where it did not.
    fn mark(&self) -> Option<&'static NeverLeft> {
        static PERMANENT: NeverLeft = NeverLeft::new(Refusal::Permanent);
        static LOCAL: NeverLeft = NeverLeft::new(Refusal::Local);
        static TRANSIENT: NeverLeft = NeverLeft::new(Refusal::Transient);

        match self.cause {
            Cause::QueueFull { .. }
            | Cause::WouldWait { .. }
            | Cause::TooLate { .. }
            | Cause::OutOfPatience { .. }
            | Cause::TooManyKeys { .. } => Some(&LOCAL),
            Cause::CostTooHigh { .. }
            | Cause::NoWindow { .. }
            | Cause::NoKey
            | Cause::AttachedAbove => Some(&PERMANENT),
            Cause::NotReady { .. } | Cause::NotReadyByDeadline => Some(&TRANSIENT),
            Cause::AnswerTimeout { .. } => None,
        }
    }
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::QueueFull { bound, wait } => write!(
                f,
                "{bound} requests wait for a place already, as many as may: send less, or raise `queue` (a place could be \
                 had in {})",
                Millis(*wait)
            ),
            Cause::WouldWait { wait: None } => f.write_str(
                "the window is held up, and this request may not wait: try again once the program has resumed it, or the first \
                 response has come",
            ),
            Cause::WouldWait { wait: Some(wait) } => write!(
                f,
                "no place is free for another {}, and this request may not wait: try again then",
                Millis(*wait)
            ),
            Cause::TooLate { wait, patience } => write!(
                f,
                "no place is free for another {}, and the request may wait {} only: raise `max_wait` or the call's \
                 deadline",
                Millis(*wait),
                Millis(*patience)
            ),
            Cause::OutOfPatience {
                patience,
                wait: None,
            } => write!(
                f,
                "the window was held up for the {} that the request could wait: resume it, or let requests wait for longer",
                Millis(*patience)
            ),
            Cause::OutOfPatience { patience, .. } => write!(
                f,
                "no place was free within the {} that the request could wait: raise `max_wait` or the call's deadline",
                Millis(*patience)
            ),
            Cause::CostTooHigh { cost, limit } => write!(
                f,
                "the request costs {cost} places and its window has {limit} for it: it can never be admitted; let it cost less, raise \
                 the limit, or lower what is reserved for others"
            ),
            Cause::NoKey => f.write_str(
                "the request has no key by which its window would be found: see to it that each has one, or count those \
                 without one by a layer of their own",
            ),
            Cause::TooManyKeys { most } => write!(
                f,
                "there are windows for {most} keys, as many as may be, and all of them count still: raise `most`, or look \
                 whether the key is one (a key that is different for each request limits nothing)"
            ),
            Cause::NoWindow { slot: Some(slot) } => write!(
                f,
                "no window is set for the slot `{slot}`: name it by `slot` or `unlimited`, or say by `otherwise` what \
                 holds for the rest"
            ),
            Cause::NoWindow { slot: None } => f.write_str(
                "the request has no slot, so it is not known which window counts it: put this layer below the gate that \
                 resolves slots, or say by `without_slot` what holds",
            ),
            Cause::AttachedAbove => f.write_str(
                "the credential is on the request already, and would grow stale in the queue: put `attach` below the rate \
                 layer and `gate` above it, not a layer that does both",
            ),
            Cause::NotReadyByDeadline => f.write_str(
                "the service below the rate layer was not ready by the call's deadline: find out what keeps it busy, or \
                 give the call more time",
            ),
            Cause::NotReady { within } => write!(
                f,
                "the service below the rate layer was not ready within {}: find out what keeps it busy, or raise \
                 `ready_within`",
                Millis(*within)
            ),
            Cause::AnswerTimeout { within } => write!(
                f,
                "no response headers came within {} of departure, and the server may have processed the request all the \
                 same: raise `answer_within` if it may take longer",
                Millis(*within)
            ),
        }
    }
}

impl Error for RateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.mark().map(|mark| mark as _)
    }
}

/// A duration as people read it: in whole milliseconds, rounded up.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_nanos().div_ceil(1_000_000);
        let rounded = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        write!(f, "{rounded:?}")
    }
}
