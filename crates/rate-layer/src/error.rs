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
    /// A place could not be had within the time that the request may wait: by [`max_wait`](crate::RateLayer::max_wait), or by the call's
    /// deadline.
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

/// Two words long, since a refusal at once is often all that a program asks for: what is rarer stands in a box.
#[derive(Debug)]
enum Cause {
    /// For so long, as a moment counted from the refusal on; [`Moment::NEVER`] where nobody knows.
    WouldWait {
        wait: Moment,
    },
    Rare(Box<Rare>),
}

#[derive(Debug)]
enum Rare {
    QueueFull {
        bound: usize,
        wait: Option<Duration>,
    },
    TooLate {
        wait: Option<Duration>,
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
        match &self.cause {
            Cause::WouldWait { .. } => RateErrorKind::WouldWait,
            Cause::Rare(rare) => rare.kind(),
        }
    }

    /// In what time, from the refusal on, a place could have been had, behind all who waited then.
    ///
    /// `None` where waiting is not what the request lacks, or nobody can say: while the program has
    /// [paused](crate::Window::pause) a window, and while the first response is awaited that says how much of it is left.
    pub fn retry_in(&self) -> Option<Duration> {
        match &self.cause {
            Cause::WouldWait { wait } => known(*wait),
            Cause::Rare(rare) => match **rare {
                Rare::QueueFull { wait, .. }
                | Rare::TooLate { wait, .. }
                | Rare::OutOfPatience { wait, .. } => wait,
                _ => None,
            },
        }
    }

    #[inline]
    pub(crate) fn would_wait(denied: Denied, now: Moment, cost: u32) -> Self {
        match denied {
            Denied::TooLate(turn) | Denied::Full(turn) => Self {
                cause: Cause::WouldWait {
                    wait: wait_until(turn, now),
                },
            },
            Denied::Never(most) => Self::cost_too_high(cost, most),
            Denied::TooManyKeys(most) => Self::because(Rare::TooManyKeys { most }),
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
            Denied::TooLate(turn) => Self::because(Rare::TooLate {
                wait: known(wait_until(turn, now)),
                patience,
            }),
            Denied::Full(turn) => Self::because(Rare::QueueFull {
                bound,
                wait: known(wait_until(turn, now)),
            }),
            Denied::Never(_) | Denied::TooManyKeys(_) => Self::would_wait(denied, now, cost),
        }
    }

    pub(crate) fn out_of_patience(patience: Duration, wait: Option<Duration>) -> Self {
        Self::because(Rare::OutOfPatience { patience, wait })
    }

    pub(crate) fn no_window(slot: Option<SlotName>) -> Self {
        Self::because(Rare::NoWindow { slot })
    }

    pub(crate) fn attached_above() -> Self {
        Self::because(Rare::AttachedAbove)
    }

    pub(crate) fn not_ready_by_deadline() -> Self {
        Self::because(Rare::NotReadyByDeadline)
    }

    pub(crate) fn not_ready(within: Duration) -> Self {
        Self::because(Rare::NotReady { within })
    }

    pub(crate) fn answer_timeout(within: Duration) -> Self {
        Self::because(Rare::AnswerTimeout { within })
    }

    pub(crate) fn no_key() -> Self {
        Self::because(Rare::NoKey)
    }

    pub(crate) fn cost_too_high(cost: u32, limit: u32) -> Self {
        Self::because(Rare::CostTooHigh { cost, limit })
    }

    #[cold]
    fn because(rare: Rare) -> Self {
        Self {
            cause: Cause::Rare(Box::new(rare)),
        }
    }

    /// The mark that says that the request never left, where it did not.
    fn mark(&self) -> Option<&'static NeverLeft> {
        static PERMANENT: NeverLeft = NeverLeft::new(Refusal::Permanent);
        static LOCAL: NeverLeft = NeverLeft::new(Refusal::Local);
        static TRANSIENT: NeverLeft = NeverLeft::new(Refusal::Transient);

        match self.kind() {
            RateErrorKind::QueueFull
            | RateErrorKind::WouldWait
            | RateErrorKind::Deadline
            | RateErrorKind::TooManyKeys => Some(&LOCAL),
            RateErrorKind::CostTooHigh | RateErrorKind::NoWindow | RateErrorKind::WrongOrder => {
                Some(&PERMANENT)
            }
            RateErrorKind::NotReady => Some(&TRANSIENT),
            RateErrorKind::AnswerTimeout => None,
        }
    }
}

/// How long it is to `turn`, as a moment counted from the refusal on, at `now`; [`Moment::NEVER`] where nobody knows.
fn wait_until(turn: Moment, now: Moment) -> Moment {
    match turn {
        Moment::NEVER => turn,
        turn => Moment::START.after(turn.since(now)),
    }
}

/// The wait until a moment counted from the refusal on, if anybody knows when that is.
fn known(wait: Moment) -> Option<Duration> {
    (wait != Moment::NEVER).then(|| wait.since(Moment::START))
}

impl Rare {
    fn kind(&self) -> RateErrorKind {
        match self {
            Self::QueueFull { .. } => RateErrorKind::QueueFull,
            Self::TooLate { .. } | Self::OutOfPatience { .. } => RateErrorKind::Deadline,
            Self::CostTooHigh { .. } => RateErrorKind::CostTooHigh,
            Self::NoWindow { .. } | Self::NoKey => RateErrorKind::NoWindow,
            Self::TooManyKeys { .. } => RateErrorKind::TooManyKeys,
            Self::AttachedAbove => RateErrorKind::WrongOrder,
            Self::NotReady { .. } | Self::NotReadyByDeadline => RateErrorKind::NotReady,
            Self::AnswerTimeout { .. } => RateErrorKind::AnswerTimeout,
        }
    }
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wait = match &self.cause {
            Cause::WouldWait { wait } => known(*wait),
            Cause::Rare(rare) => return rare.fmt(f),
        };
        match wait {
            None => f.write_str(
                "the window is held up, and this request may not wait: try again once the program has resumed it, or, where its first response \
                 is to say how much is left, once that has come",
            ),
            Some(wait) => write!(
                f,
                "no place is free for another {}, and this request may not wait: try again then",
                Millis(wait)
            ),
        }
    }
}

impl fmt::Display for Rare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull { bound, wait: None } => write!(
                f,
                "the window is held up, and as many requests wait for a place already as may ({bound}): try again once the program has \
                 resumed it, or the first response has come that says how much is left; or raise `queue`",
            ),
            Self::QueueFull {
                bound,
                wait: Some(wait),
            } => write!(
                f,
                "{bound} requests wait for a place already, as many as may: send less, or raise `queue` (a place could be \
                 had in {})",
                Millis(*wait)
            ),
            Self::TooLate {
                wait: None,
                patience,
            } => write!(
                f,
                "the window is held up, and the request may wait {} only, too short for its turn: try again once the program has \
                 resumed it, or raise `max_wait` or the call's deadline",
                Millis(*patience)
            ),
            Self::TooLate {
                wait: Some(wait),
                patience,
            } => write!(
                f,
                "no place is free for another {}, and the request may wait {} only: raise `max_wait` or the call's \
                 deadline",
                Millis(*wait),
                Millis(*patience)
            ),
            Self::OutOfPatience {
                patience,
                wait: None,
            } => write!(
                f,
                "the window was held up for the {} that the request could wait: resume it, or let requests wait for longer",
                Millis(*patience)
            ),
            Self::OutOfPatience { patience, .. } => write!(
                f,
                "no place was free within the {} that the request could wait: raise `max_wait` or the call's deadline",
                Millis(*patience)
            ),
            Self::CostTooHigh { cost, limit } => write!(
                f,
                "the request costs {cost} places and its window has {limit} for it: it can never be admitted; let it cost less, raise \
                 the limit, or lower what is reserved for others"
            ),
            Self::NoKey => f.write_str(
                "the request has no key by which its window would be found: see to it that each has one, or count those \
                 without one by a layer of their own",
            ),
            Self::TooManyKeys { most } => write!(
                f,
                "there are windows for {most} keys, as many as may be, and all of them count still: raise `most`, or look \
                 whether the key is one (a key that is different for each request limits nothing)"
            ),
            Self::NoWindow { slot: Some(slot) } => write!(
                f,
                "no window is set for the slot `{slot}`: name it by `slot` or `unlimited`, or say by `otherwise` what \
                 holds for the rest"
            ),
            Self::NoWindow { slot: None } => f.write_str(
                "the request has no slot, so it is not known which window counts it: put this layer below the gate that \
                 resolves slots, or say by `without_slot` what holds",
            ),
            Self::AttachedAbove => f.write_str(
                "the credential is on the request already, and would grow stale in the queue: put `attach` below the rate \
                 layer and `gate` above it, not a layer that does both",
            ),
            Self::NotReadyByDeadline => f.write_str(
                "the service below the rate layer was not ready by the call's deadline: find out what keeps it busy, or \
                 give the call more time",
            ),
            Self::NotReady { within } => write!(
                f,
                "the service below the rate layer was not ready within {}: find out what keeps it busy, or raise \
                 `ready_within`",
                Millis(*within)
            ),
            Self::AnswerTimeout { within } => write!(
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
