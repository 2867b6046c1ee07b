//! Why a log-in came to nothing.

use std::error::Error;
use std::fmt;
use std::io;

use call_context::BoxError;

use crate::SourceError;

/// Why a log-in came to nothing. Shows nothing of what the browser has sent.
#[derive(Debug)]
pub(super) enum LoginError {
    Listen(io::Error),
    Callback,
    Open(BoxError),
    /// Nobody came in time; so many answers had another `state`.
    Late(u32),
    Issuer,
    NoCode,
    Exchange,
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listen(_) => "no listener for the browser's answer; choose another port",
            Self::Callback => "the callback's URL cannot be read",
            Self::Open(_) => "the browser could not be opened",
            Self::Late(0) => "nobody has logged in in time",
            Self::Late(strange) => {
                return write!(
                    f,
                    "nobody has logged in in time; {strange} answers were to another log-in than this one"
                );
            }
            Self::Issuer => {
                "the answer to the log-in does not come from the issuer that was asked (RFC 9207); do not trust it"
            }
            Self::NoCode => "the answer to the log-in holds neither a code nor an error",
            Self::Exchange => "the token endpoint did not answer in time",
        })
    }
}

impl Error for LoginError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Listen(error) => Some(error),
            Self::Open(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<LoginError> for SourceError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Issuer => Self::permanent(error),
            _ => Self::temporary(error),
        }
    }
}
