//! Why a fetch came to nothing.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{SourceError, Unsendable};

/// Why a fetch came to nothing; shared by all who wait for it.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    Source(Arc<SourceError>),
    Unsendable(Unsendable),
    TimedOut,
    Panicked,
    BornExpired,
    Rejected,
}

impl Failure {
    pub(super) fn is_permanent(&self) -> bool {
        matches!(self, Self::Source(error) if error.is_permanent())
    }

    /// The pause that the source asks for.
    pub(super) fn asked_pause(&self) -> Option<Duration> {
        match self {
            Self::Source(error) => error.pause(),
            _ => None,
        }
    }

    /// A name for events, which do not show the source's own text.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Source(error) if error.is_permanent() => "refused for good",
            Self::Source(_) => "failed for now",
            Self::Unsendable(_) => "not sendable",
            Self::TimedOut => "timed out",
            Self::Panicked => "panicked",
            Self::BornExpired => "already expired",
            Self::Rejected => "rejected by the server",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source(error) => return error.fmt(f),
            Self::Unsendable(_) => "the source gave a token that cannot stand in a header",
            Self::TimedOut => "the token source did not answer in time",
            Self::Panicked => "the token source panicked",
            Self::BornExpired => "the source gave a token that has already expired",
            Self::Rejected => "the server refused the last token",
        })
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Source(error) => error.source(),
            Self::Unsendable(error) => Some(error),
            _ => None,
        }
    }
}
