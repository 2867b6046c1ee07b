//! Why a store cannot be used, and what only a human can decide.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use call_context::BoxError;

use crate::SourceError;

/// Why a store cannot be used: for now, or until somebody mends it.
///
/// The text and the chain of the error inside are shown as they are, in events too: they name the place and never what is kept
/// there.
#[derive(Debug)]
pub struct StoreError {
    permanent: bool,
    error: BoxError,
}

impl StoreError {
    /// A failure that may pass: a full disk, a lock that another process holds. It is tried again.
    pub fn temporary(error: impl Into<BoxError>) -> Self {
        Self {
            permanent: false,
            error: error.into(),
        }
    }

    /// A store that somebody has to mend first: what it holds cannot be read, or others could read it.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self {
            permanent: true,
            error: error.into(),
        }
    }

    /// The store has failed after it may have written, and what it wrote could not be taken back.
    pub(super) fn half_done(self, place: String) -> Self {
        Self {
            permanent: self.permanent,
            error: Box::new(HalfDone { place, error: self }),
        }
    }

    /// Whether somebody has to mend the store first.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.permanent {
            "the grant store must be mended first"
        } else {
            "the grant store failed for now"
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}

#[derive(Debug)]
struct HalfDone {
    place: String,
    error: StoreError,
}

impl fmt::Display for HalfDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} may hold what was there before, or what was to take its place; do it again once the store works",
            self.place
        )
    }
}

impl Error for HalfDone {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// Nothing has been sent where a store fails before it.
impl From<StoreError> for SourceError {
    fn from(error: StoreError) -> Self {
        if error.is_permanent() {
            Self::permanent(error)
        } else {
            Self::temporary(error).unspent()
        }
    }
}

/// A renewal began, and nobody knows whether it has used up the refresh token: a human has to decide.
///
/// Found in the chain of a refusal with [`call_context::find`].
#[derive(Debug)]
pub struct NeedsHuman {
    place: String,
    since: SystemTime,
}

impl NeedsHuman {
    pub(super) fn new(place: String, since: SystemTime) -> Self {
        Self { place, since }
    }

    /// When the renewal began, by the wall clock of the process that began it.
    pub fn since(&self) -> SystemTime {
        self.since
    }
}

impl fmt::Display for NeedsHuman {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.duration_since(SystemTime::UNIX_EPOCH);
        write!(
            f,
            "the refresh token in {} may have been used up by a renewal that began at Unix time {} and whose answer was lost; log in again and hand the new grant to `StoredGrant::put`, or call `StoredGrant::forget_intent` if the server surely takes the old one again; then call `TokenSlot::changed`",
            self.place,
            since.unwrap_or(Duration::ZERO).as_secs(),
        )
    }
}

impl Error for NeedsHuman {}
