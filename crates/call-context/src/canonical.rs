//! Refuses paths that two programs could read as two different routes.
//!
//! A path is classified as it stands, and it must read the same to everybody after us: the client's URL library, proxies
//! and the server. What is ambiguous is refused, never repaired, because a repair would only be one more reading.
//!
//! Refused ([`Offence`]): dot segments in any spelling, encoded slashes and backslashes (each of these once more
//! encoded too), backslashes, empty inner segments, control characters, percent-encoded unreserved characters (RFC 3986,
//! section 2.3), overlong UTF-8, malformed escapes, and whatever a path may not contain (RFC 3986, section 3.3: `pchar`).
//! Everything else is allowed, `;` and `@` among it.
//!
//! ```
//! use call_context::canonical::{Offence, check};
//!
//! assert!(check("/execute/trades;v=2").is_ok());
//! assert_eq!(check("/read/..%2fexecute").unwrap_err().offence(), Offence::DotSegment);
//! assert_eq!(check("/%65xecute").unwrap_err().offence(), Offence::EncodedUnreserved);
//! ```

mod offence;
mod reading;

use std::ops::Range;

pub use self::offence::{Offence, PathError};
pub(crate) use self::reading::decoded;
use self::reading::read;

/// Checks that `path` (without its query) reads the same to everybody.
///
/// # Errors
///
/// The first offence, and its place.
pub fn check(path: &str) -> Result<(), PathError> {
    match scan(path)? {
        Some(slash) => Err(PathError::new(Offence::EncodedSlash, slash.first)),
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
            Some(at) => Err(PathError::new(Offence::EncodedSlash, at)),
            None => Ok(()),
        }
    }
}

/// Checks everything but encoded slashes, of which it reports the first.
pub(crate) fn scan(path: &str) -> Result<Option<EncodedSlashes>, PathError> {
    let bytes = path.as_bytes();
    let refuse = |offence, at| Err(PathError::new(offence, at));
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
            (_, 1..) if read.is_overlong(bytes) => return refuse(Offence::Overlong, at),
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
            return Err(PathError::new(Offence::DotSegment, self.start));
        }
        match self.encoded_dot {
            Some(at) => Err(PathError::new(Offence::EncodedUnreserved, at)),
            None => Ok(()),
        }
    }
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
            ("/read/%c0%ae%c0%ae/execute", Offence::Overlong),
            ("/read%C0%AFexecute", Offence::Overlong),
            ("/read%c1%9cexecute", Offence::Overlong),
            ("/read%25c0%25afexecute", Offence::Overlong),
            ("/read%e0%80%afexecute", Offence::Overlong),
            ("/read%F0%80%80%AFexecute", Offence::Overlong),
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
            "/%E0%A4%85",
            "/%F0%9F%98%80",
            "/%e9t%e0",
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
