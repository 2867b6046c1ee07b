//! What a limiter is asked, and what it answers.

use crate::moment::Moment;
use crate::queue::Ticket;

/// What has happened since the window was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) admitted: u64,
    pub(crate) waited: u64,
    pub(crate) refused: u64,
    pub(crate) throttled: u64,
    pub(crate) given_back: u64,
    pub(crate) abandoned: u64,
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It costs more than the window has.
    Never,
    /// Its turn comes at the given moment, and it may not wait so long.
    TooLate(Moment),
    /// As many wait as may; its turn would come at the given moment.
    Full(Moment),
}

/// How long, and among how many, a request may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) until: Moment,
    pub(crate) queue: usize,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// A place was free.
    Admitted,
    /// It waits; it must [look](crate::limiter::Limiter::look) again when it is woken, and at `alarm` at the latest.
    Waits { ticket: Ticket, alarm: Moment },
}

/// Why a waiter leaves without a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Its caller has dropped it.
    Cancelled,
    /// It has waited as long as it may.
    OutOfPatience,
}

/// A limiter at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) closing: u32,
    pub(crate) in_flight: u32,
    pub(crate) waiting: usize,
    /// When a request that comes now could be admitted.
    pub(crate) next_free: Moment,
    pub(crate) tally: Tally,
}

/// What a waiter sees when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It holds a place, and its ticket is spent.
    Admitted,
    /// It must look again when it is woken, and at this moment at the latest.
    Until(Moment),
}
