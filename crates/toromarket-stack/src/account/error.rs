//! Why a call for a token failed.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::StatusCode;
use tollgate::context::BoxError;

/// Why a call for a token failed. Holds no secret and no part of an answer.
#[derive(Debug)]
pub struct AccountError(Fault);

#[derive(Debug)]
pub(super) enum Fault {
    /// A name or secret cannot be sent.
    Request,
    /// No answer.
    Failed(BoxError),
    /// An answer without a token.
    Answer,
    Refused {
        status: StatusCode,
        after: Option<u32>,
    },
}

impl AccountError {
    /// The server's answer, where it refused.
    pub fn status(&self) -> Option<StatusCode> {
        match self.0 {
            Fault::Refused { status, .. } => Some(status),
            _ => None,
        }
    }

    /// How long the server wants to be left alone (`Retry-After` in seconds), where it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.0 {
            Fault::Refused { after, .. } => after.map(|s| Duration::from_secs(s.into())),
            _ => None,
        }
    }

    /// Whether the same call may go better later.
    pub(super) fn is_temporary(&self) -> bool {
        match &self.0 {
            Fault::Failed(_) => true,
            // A registration throttle is a 403 that says when to come again.
            Fault::Refused { status, after } => super::may_pass(*status) || after.is_some(),
            Fault::Request | Fault::Answer => false,
        }
    }
}

impl From<Fault> for AccountError {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Fault::Request => f.write_str("a header value holds characters that cannot be sent"),
            Fault::Failed(_) => f.write_str("Toromarket gave no answer"),
            Fault::Answer => f.write_str("Toromarket's answer is not of the expected form"),
            Fault::Refused {
                status,
                after: Some(after),
            } => write!(f, "Toromarket refused: {status}; try again in {after} s"),
            Fault::Refused { status, .. } => write!(f, "Toromarket refused: {status}"),
        }
    }
}

impl Error for AccountError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Fault::Failed(error) => Some(&**error),
            _ => None,
        }
    }
}
