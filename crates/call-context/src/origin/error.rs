//! What is wrong with an origin.

use std::error::Error;
use std::fmt;

/// Why something is no origin. Says what to change, without echoing the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginError {
    /// Not a URI at all.
    Malformed,
    /// No scheme or no host: the URI is relative.
    Relative,
    /// A scheme other than `http` and `https`.
    Scheme,
    /// A user name or password before the host.
    UserInformation,
    /// A host that is empty, or that URL libraries write in another way.
    Host,
    /// A port that is not a number between 0 and 65535.
    Port,
    /// A path, query or fragment where only scheme, host and port belong.
    Path,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a URI; write an origin as https://host or https://host:port",
            Self::Relative => "the URI is relative; give scheme and host, as in https://host/path",
            Self::Scheme => "the URI's scheme is neither http nor https",
            Self::UserInformation => {
                "the URI has a user name or password before its host; remove it"
            }
            Self::Host => {
                "the URI's host is empty or written in a way that URL libraries rewrite; use the plain name or address"
            }
            Self::Port => "the URI's port is not a number between 0 and 65535",
            Self::Path => "an origin has no path, query or fragment; write https://host or https://host:port",
        })
    }
}

impl Error for OriginError {}
