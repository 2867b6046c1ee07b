//! What the client's side of a run counts, by class of route.

use std::collections::BTreeMap;
use std::sync::Mutex;

use http::StatusCode;
use serde::Serialize;

/// How one call came out, as its caller saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A response with this status.
    Status(StatusCode),
    /// Refused or given up in this process, before it left.
    NeverLeft,
    /// It left, and there is no answer: the server may have acted on it.
    Unknown,
}

impl Outcome {
    /// Whether the call did what it was for.
    #[must_use]
    pub fn is_success(self) -> bool {
        matches!(self, Self::Status(status) if status.is_success())
    }
}

/// Outcomes of one class.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcomes {
    /// Calls made.
    pub calls: u64,
    /// Calls that did what they were for.
    pub succeeded: u64,
    /// Calls that never left this process.
    pub never_left: u64,
    /// Calls without an answer.
    pub unknown: u64,
    /// Answers that were no success, by status.
    pub refused: BTreeMap<u16, u64>,
}

/// A count that all callers share.
#[derive(Debug, Default)]
pub struct Tally {
    classes: Mutex<BTreeMap<&'static str, Outcomes>>,
}

impl Tally {
    /// Adds one call.
    pub fn add(&self, class: &'static str, outcome: Outcome) {
        let mut classes = match self.classes.lock() {
            Ok(classes) => classes,
            Err(poisoned) => poisoned.into_inner(),
        };
        let outcomes = classes.entry(class).or_default();
        outcomes.calls += 1;
        match outcome {
            _ if outcome.is_success() => outcomes.succeeded += 1,
            Outcome::Status(status) => *outcomes.refused.entry(status.as_u16()).or_default() += 1,
            Outcome::NeverLeft => outcomes.never_left += 1,
            Outcome::Unknown => outcomes.unknown += 1,
        }
    }

    /// What has been counted so far.
    #[must_use]
    pub fn classes(&self) -> BTreeMap<&'static str, Outcomes> {
        match self.classes.lock() {
            Ok(classes) => classes.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }
}
