//! The failure of a body that was to be sent again.

use std::error::Error;
use std::fmt;

/// Why what has been read of a body is no longer at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Reading went on without recording.
    Unrecorded,
    /// The body itself failed.
    Failed,
}

/// The error of a [`ReplayBody`](crate::ReplayBody) that can no longer give all of its bytes, and gives none of the rest.
///
/// A retry layer asks beforehand ([`Replay::is_whole`](crate::Replay::is_whole)), and returns the outcome at hand instead.
#[derive(Debug)]
pub struct BodyLost {
    lost: Lost,
    bound: usize,
}

impl BodyLost {
    pub(super) fn new(lost: Lost, bound: usize) -> Self {
        Self { lost, bound }
    }

    /// Whether another attempt had read more than the bound; otherwise it had met an error of the body itself.
    pub fn is_over_bound(&self) -> bool {
        self.lost == Lost::Unrecorded
    }
}

impl fmt::Display for BodyLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lost {
            Lost::Unrecorded => write!(
                f,
                "the request body cannot be sent again, since another attempt has read more of it than the {} bytes that are kept; raise the bound of its ReplayBody",
                self.bound
            ),
            Lost::Failed => f.write_str(
                "the request body cannot be sent again, since another attempt has met an error in it",
            ),
        }
    }
}

impl Error for BodyLost {}
