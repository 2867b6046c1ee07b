//! What the callers count.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::soak::wire::Stage;

/// How a call ended for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a whole answer.
    Whole,
    /// With headers, and a part of the body.
    Cut,
    /// With a 429.
    Rejected,
    /// Without headers: the connection broke.
    Broken,
    /// Without headers in time.
    Late,
    /// It never left.
    NeverLeft,
    /// Its caller gave it up.
    GivenUp(Stage),
}

/// All endings.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Endings {
    /// Whole answers.
    pub whole: u64,
    /// Answers of which a part of the body was missing.
    pub cut: u64,
    /// Answers that said 429.
    pub rejected: u64,
    /// Connections that broke before the headers.
    pub broken: u64,
    /// Headers that did not come in time.
    pub late: u64,
    /// Calls that never left.
    pub never_left: u64,
    /// Calls that were given up while they waited for a place.
    pub given_up_waiting: u64,
    /// Calls that were given up on their way.
    pub given_up_in_flight: u64,
    /// Calls that were given up while their body streamed.
    pub given_up_in_body: u64,
    /// Calls, of those given up, that another thread dropped.
    pub by_another_thread: u64,
}

impl Endings {
    /// How many calls were given up.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.given_up_waiting + self.given_up_in_flight + self.given_up_in_body
    }
}

/// A count that all callers share.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Endings>);

impl Tally {
    /// Adds one call.
    pub fn add(&self, ending: Ending) {
        let mut endings = self.lock();
        let count = match ending {
            Ending::Whole => &mut endings.whole,
            Ending::Cut => &mut endings.cut,
            Ending::Rejected => &mut endings.rejected,
            Ending::Broken => &mut endings.broken,
            Ending::Late => &mut endings.late,
            Ending::NeverLeft => &mut endings.never_left,
            Ending::GivenUp(Stage::Waits) => &mut endings.given_up_waiting,
            Ending::GivenUp(Stage::InFlight) => &mut endings.given_up_in_flight,
            Ending::GivenUp(Stage::InBody) => &mut endings.given_up_in_body,
        };
        *count += 1;
    }

    /// Notes that another thread has dropped a call.
    pub fn dropped_elsewhere(&self) {
        self.lock().by_another_thread += 1;
    }

    /// What has been counted so far.
    #[must_use]
    pub fn endings(&self) -> Endings {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Endings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
