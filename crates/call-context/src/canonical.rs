//! Refuses paths that two programs could read as two different routes.
//!
//! A path is classified as it stands, and it must read the same to everybody after us: the client's URL library, proxies
//! and the server. What is ambiguous is refused, never repaired, because a repair would only be one more reading.
//!
//! Refused ([`Offence`]): dot segments in any spelling, encoded slashes and backslashes (each of these once more
//! encoded too), backslashes, empty inner segments, control characters, percent-encoded unreserved characters (RFC 3986,
//! section 2.3), malformed escapes, and whatever a path may not contain (RFC 3986, section 3.3: `pchar`). Everything else is
//! allowed, `;` and `@` among it.
//!
//! ```
//! use call_context::canonical::{Offence, check};
//!
//! assert!(check("/execute/trades;v=2").is_ok());
//! assert_eq!(check("/read/..%2fexecute").unwrap_err().offence(), Offence::DotSegment);
//! assert_eq!(check("/%65xecute").unwrap_err().offence(), Offence::EncodedUnreserved);
//! ```

use std::error::Error;
use std::fmt;
use std::ops::Range;

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

/// Checks that `path` (without its query) reads the same to everybody.
///
/// # Errors
///
/// The first offence, and its place.
pub fn check(path: &str) -> Result<(), PathError> {
    match scan(path)? {
        Some(slash) => Err(PathError {
            offence: Offence::EncodedSlash,
            at: slash.first,
        }),
        None => Ok(()),
    }
}

/// The encoded slashes of a path that is canonical apart from them. A route may allow them inside of its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EncodedSlashes {
    first: usize,
}

impl EncodedSlashes {
    /// Refuses the path, unless each of its encoded slashes lies inside of one of `allowed` (in bytes of the path).
    pub(crate) fn confined_to(self, path: &str, allowed: &[Range<usize>]) -> Result<(), PathError> {
        let outside = |at: &usize| !allowed.iter().any(|range| range.contains(at));
        let slash = |at: &usize| read(path.as_bytes(), *at).is_some_and(|read| read.byte == b'/');
        let escapes = path.match_indices('%').map(|(at, _)| at);
        match escapes.filter(slash).find(outside) {
            Some(at) => Err(PathError {
                offence: Offence::EncodedSlash,
                at,
            }),
            None => Ok(()),
        }
    }
}

/// Checks everything but encoded slashes, of which it reports the first.
pub(crate) fn scan(path: &str) -> Result<Option<EncodedSlashes>, PathError> {
    let bytes = path.as_bytes();
    let refuse = |offence, at| Err(PathError { offence, at });
    if bytes.first() != Some(&b'/') {
        return refuse(Offence::NotAbsolute, 0);
    }
    let mut slash = None;
    let mut segment = Segment::starting(1);
    let mut at = 1;
    while at < bytes.len() {
        let Some(read) = read(bytes, at) else {
            return refuse(Offence::MalformedEscape, at);
        };
        match (read.byte, read.layers) {
            (b'/', 0) if segment.start == at => return refuse(Offence::EmptySegment, at),
            (b'\\', 0) => return refuse(Offence::Backslash, at),
            (b'\\', _) => return refuse(Offence::EncodedBackslash, at),
            (byte, _) if byte.is_ascii_control() => return refuse(Offence::ControlCharacter, at),
            (b'/', layers) => {
                // Some programs decode before they split, so an encoded slash ends a segment as well.
                segment.end()?;
                segment = Segment::starting(read.end);
                if layers > 0 {
                    slash.get_or_insert(EncodedSlashes { first: at });
                }
            }
            // Judged at the segment's end: in a segment of dots it is the worse offence.
            (b'.', layers) => segment.dot(at, layers),
            (byte, 1) if is_unreserved(byte) => return refuse(Offence::EncodedUnreserved, at),
            (byte, 0) if !is_pchar(byte) => return refuse(Offence::InvalidCharacter, at),
            (b';', _) => segment.in_parameter = true,
            _ => segment.other |= !segment.in_parameter,
        }
        at = read.end;
    }
    segment.end()?;
    Ok(slash)
}

/// What has been read of one segment.
struct Segment {
    start: usize,
    dots: usize,
    other: bool,
    /// Servlet containers cut `;…` off before they resolve dots: `..;x` is `..` to them.
    in_parameter: bool,
    encoded_dot: Option<usize>,
}

impl Segment {
    const fn starting(start: usize) -> Self {
        Self {
            start,
            dots: 0,
            other: false,
            in_parameter: false,
            encoded_dot: None,
        }
    }

    fn dot(&mut self, at: usize, layers: usize) {
        if !self.in_parameter {
            self.dots += 1;
        }
        if layers == 1 {
            self.encoded_dot.get_or_insert(at);
        }
    }

    fn end(&self) -> Result<(), PathError> {
        if !self.other && (self.dots == 1 || self.dots == 2) {
            return Err(PathError {
                offence: Offence::DotSegment,
                at: self.start,
            });
        }
        match self.encoded_dot {
            Some(at) => Err(PathError {
                offence: Offence::EncodedUnreserved,
                at,
            }),
            None => Ok(()),
        }
    }
}

/// One character of a path.
struct Read {
    byte: u8,
    /// How often it is encoded: 0 for `.`, 1 for `%2e`, 2 for `%252e`.
    layers: usize,
    end: usize,
}

/// Reads the character at `at`, through all layers of encoding. `None` for a malformed escape.
fn read(bytes: &[u8], at: usize) -> Option<Read> {
    let mut read = Read {
        byte: *bytes.get(at)?,
        layers: 0,
        end: at + 1,
    };
    while read.byte == b'%' {
        match hex_pair(bytes, read.end) {
            Some(byte) => {
                read.byte = byte;
                read.layers += 1;
                read.end += 2;
            }
            None if read.layers == 0 => return None,
            None => break,
        }
    }
    Some(read)
}

fn hex_pair(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(at)? * 16 + digit(at + 1)?).ok()
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offence(path: &str) -> Option<Offence> {
        check(path).err().map(|error| error.offence())
    }

    #[test]
    fn ambiguous_paths_are_refused_by_name() {
        for (path, expected) in [
            ("", Offence::NotAbsolute),
            ("*", Offence::NotAbsolute),
            ("execute", Offence::NotAbsolute),
            ("/.", Offence::DotSegment),
            ("/..", Offence::DotSegment),
            ("/execute/../read/a", Offence::DotSegment),
            ("/execute/./a", Offence::DotSegment),
            ("/read/%2e%2e/execute/x", Offence::DotSegment),
            ("/read/%2E./execute/x", Offence::DotSegment),
            ("/read/.%2e/execute/x", Offence::DotSegment),
            ("/read/%252e%252E/execute/x", Offence::DotSegment),
            ("/read/%25252e./execute/x", Offence::DotSegment),
            ("/read/..;a=b/execute", Offence::DotSegment),
            ("/read/..%3ba/execute", Offence::DotSegment),
            ("/read/..%2fexecute", Offence::DotSegment),
            ("/read/..%5cexecute", Offence::EncodedBackslash),
            ("/read%2fexecute", Offence::EncodedSlash),
            ("/read%2Fexecute", Offence::EncodedSlash),
            ("/read%252fexecute", Offence::EncodedSlash),
            ("/read%5cexecute", Offence::EncodedBackslash),
            ("/read%255Cexecute", Offence::EncodedBackslash),
            ("/read\\execute", Offence::Backslash),
            ("/read\\..\\execute", Offence::Backslash),
            ("//execute", Offence::EmptySegment),
            ("/read//execute", Offence::EmptySegment),
            ("/read//", Offence::EmptySegment),
            ("/read/%00", Offence::ControlCharacter),
            ("/read/%0d%0aHost:x", Offence::ControlCharacter),
            ("/read/\u{7f}", Offence::ControlCharacter),
            ("/read/%2500", Offence::ControlCharacter),
            ("/%65xecute", Offence::EncodedUnreserved),
            ("/execut%45", Offence::EncodedUnreserved),
            ("/a%2Db", Offence::EncodedUnreserved),
            ("/a%2eb", Offence::EncodedUnreserved),
            ("/%2ewell-known", Offence::EncodedUnreserved),
            ("/a%", Offence::MalformedEscape),
            ("/a%2", Offence::MalformedEscape),
            ("/a%zz", Offence::MalformedEscape),
            ("/a b", Offence::InvalidCharacter),
            ("/a{b}", Offence::InvalidCharacter),
            ("/a\"b", Offence::InvalidCharacter),
            ("/a^b", Offence::InvalidCharacter),
            ("/a|b", Offence::InvalidCharacter),
            ("/caf\u{e9}", Offence::InvalidCharacter),
        ] {
            assert_eq!(offence(path), Some(expected), "{path:?}");
        }
    }

    #[test]
    fn every_other_path_is_allowed() {
        for path in [
            "/",
            "/execute",
            "/execute/",
            "/execute/trades",
            "/a;b=c/d;e",
            "/.well-known/x",
            "/...",
            "/a..b",
            "/..a",
            "/a.",
            "/;..",
            "/a@b:c",
            "/a!$&'()*+,=b",
            "/caf%C3%A9",
            "/a%20b",
            "/100%25",
            "/100%25zz",
            "/a%252eb",
            "/%3F%23%5B%5D",
            "/~user/a_b-c",
        ] {
            assert_eq!(offence(path), None, "{path:?}");
        }
    }

    #[test]
    fn an_error_names_offence_and_place_but_not_the_path() {
        let error = check("/secret/%2e%2e/x").expect_err("a dot segment");
        assert_eq!(error.at(), 8);
        assert_eq!(
            error.to_string(),
            "the path is ambiguous: a dot segment at byte 8"
        );
    }

    #[test]
    fn encoded_slashes_may_be_confined() {
        let path = "/files/a%2Fb/meta";
        let slashes = scan(path).expect("canonical otherwise").expect("a slash");
        let confined_to = |allowed| slashes.confined_to(path, std::slice::from_ref(&allowed));
        assert!(confined_to(7..12).is_ok());
        assert!(confined_to(13..17).is_err());
    }
}
