//! What can be wrong with a path.

use std::error::Error;
use std::fmt;

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Offence {
    /// The path does not begin with a slash.
    NotAbsolute,
    /// A segment reads `.` or `..`, plain, percent-encoded, encoded twice, or followed by `;`.
    DotSegment,
    /// A slash is percent-encoded, once or more often.
    EncodedSlash,
    /// A backslash, which some programs read as a slash.
    Backslash,
    /// A backslash is percent-encoded, once or more often.
    EncodedBackslash,
    /// Two slashes follow each other.
    EmptySegment,
    /// A control character, plain or percent-encoded.
    ControlCharacter,
    /// A character that needs no encoding is percent-encoded, so that the route's name is written in two ways.
    EncodedUnreserved,
    /// A percent-encoded character in an overlong form of UTF-8, which lenient programs read as a slash or a dot.
    Overlong,
    /// Once decoded, the path is that of another route. Only [`Routes`](crate::Routes) find this.
    OtherRoute,
    /// A percent sign without two hexadecimal digits after it.
    MalformedEscape,
    /// A character that no path may contain unencoded.
    InvalidCharacter,
}

impl Offence {
    fn as_str(self) -> &'static str {
        match self {
            Self::NotAbsolute => "it does not begin with a slash",
            Self::DotSegment => "a dot segment",
            Self::EncodedSlash => "a percent-encoded slash",
            Self::Backslash => "a backslash",
            Self::EncodedBackslash => "a percent-encoded backslash",
            Self::EmptySegment => "an empty segment",
            Self::ControlCharacter => "a control character",
            Self::EncodedUnreserved => "a percent-encoded character that needs no encoding",
            Self::Overlong => "a percent-encoded character in an overlong form",
            Self::OtherRoute => "a percent-encoded character of another route's name",
            Self::MalformedEscape => "a percent sign without two hexadecimal digits",
            Self::InvalidCharacter => "a character that must be percent-encoded",
        }
    }
}

/// A path that is refused because it is ambiguous. Names the offence and where it is, never the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathError {
    offence: Offence,
    at: usize,
}

impl PathError {
    pub(crate) const fn new(offence: Offence, at: usize) -> Self {
        Self { offence, at }
    }

    /// What is wrong.
    pub fn offence(&self) -> Offence {
        self.offence
    }

    /// Where it is, in bytes from the start of the path.
    pub fn at(&self) -> usize {
        self.at
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the path is ambiguous: {} at byte {}",
            self.offence.as_str(),
            self.at
        )
    }
}

impl Error for PathError {}
