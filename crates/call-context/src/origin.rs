//! The server that a credential is meant for.

mod error;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, Scheme};

pub use self::error::OriginError;

/// A scheme, a host and a port: what a credential is bound to.
///
/// Compared exactly, after lower-casing and filling in the default port (RFC 6454, section 4). Names are not resolved and
/// addresses not rewritten: `127.1`, `localhost` and `127.0.0.1` are three hosts, `example.com.` is not `example.com`.
///
/// ```
/// use call_context::Origin;
///
/// let origin: Origin = "https://API.example.com".parse()?;
/// assert!(origin.matches(&"https://api.example.com:443/a".parse()?));
/// assert!(!origin.matches(&"http://api.example.com/a".parse()?));
/// assert!(!origin.matches(&"https://api.example.com:8443/a".parse()?));
/// assert!(!origin.matches(&"https://api.example.com@evil.example/a".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    https: bool,
    /// The host, and the port where it is not the default one.
    authority: Box<str>,
    /// How much of it is the host.
    host: usize,
    port: u16,
}

impl Origin {
    /// The origin of an absolute URI.
    ///
    /// # Errors
    ///
    /// Where the URI is relative, has user information, a scheme other than `http` and `https`, a port that is no plain
    /// number, or a host that URL libraries rewrite (`0x7f.1`, `127.1`, `[0::1]`).
    pub fn of(uri: &Uri) -> Result<Self, OriginError> {
        let (https, host, port) = parts(uri)?;
        if is_rewritten(host) {
            return Err(OriginError::Host);
        }
        let mut authority = host.to_ascii_lowercase();
        if port != default_port(https) {
            authority = format!("{authority}:{port}");
        }
        Ok(Self {
            https,
            authority: authority.into(),
            host: host.len(),
            port,
        })
    }

    /// Whether `uri` is absolute, without user information, and belongs to this origin. Does not allocate.
    pub fn matches(&self, uri: &Uri) -> bool {
        self.is_written_in(uri)
            || parts(uri).is_ok_and(|(https, host, port)| {
                https == self.https && port == self.port && host.eq_ignore_ascii_case(self.host())
            })
    }

    /// Whether `uri` has this origin as it is shown: what almost every request has that belongs to it, told by one comparison.
    fn is_written_in(&self, uri: &Uri) -> bool {
        let scheme = match self.https {
            true => &Scheme::HTTPS,
            false => &Scheme::HTTP,
        };
        let written = |authority: &Authority| authority.as_str() == &*self.authority;
        uri.scheme() == Some(scheme) && uri.authority().is_some_and(written)
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Whether the host is this machine: `localhost`, an address in 127.0.0.0/8, or `[::1]`.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let v6 = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        host == "localhost"
            || host.parse::<Ipv4Addr>().is_ok_and(|a| a.is_loopback())
            || v6.is_some_and(|h| h.parse::<Ipv6Addr>().is_ok_and(|a| a.is_loopback()))
    }

    /// The host, in lower case; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.authority[..self.host]
    }

    /// The port, also where it is the scheme's default.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn parts(uri: &Uri) -> Result<(bool, &str, u16), OriginError> {
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(OriginError::Relative);
    };
    if authority.as_str().contains('@') {
        return Err(OriginError::UserInformation);
    }
    let https = if *scheme == Scheme::HTTPS {
        true
    } else if *scheme == Scheme::HTTP {
        false
    } else {
        return Err(OriginError::Scheme);
    };
    let host = authority.host();
    if host.is_empty() {
        return Err(OriginError::Host);
    }
    let port = match &authority.as_str()[host.len()..] {
        "" => default_port(https),
        rest => port(rest).ok_or(OriginError::Port)?,
    };
    Ok((https, host, port))
}

const fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

/// The number in `:443`. `http::Uri` also takes `:+443`, and has no port at all for `:` and `:65536`; none of these may
/// pass, least of all as the default.
fn port(text: &str) -> Option<u16> {
    let digits = text.strip_prefix(':')?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// Whether the WHATWG URL parser would write the host in another way (its IP address parsers and percent-decoding).
fn is_rewritten(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest.strip_suffix(']').and_then(|h| h.parse().ok());
        return address.is_none_or(|address| !shortest(address).eq_ignore_ascii_case(host));
    }
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or("");
    let hex = last
        .strip_prefix("0x")
        .or_else(|| last.strip_prefix("0X"))
        .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let decimal = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
    let numeric = (hex || decimal) && host.parse::<Ipv4Addr>().is_err();
    numeric || !host.is_ascii() || host.contains('%')
}

/// An address in brackets as URL libraries write it: RFC 5952, but never with an IPv4 address at its end.
fn shortest(address: Ipv6Addr) -> String {
    match (address.to_ipv4_mapped(), address.segments()) {
        (Some(_), [.., high, low]) => format!("[::ffff:{high:x}:{low:x}]"),
        (None, _) => format!("[{address}]"),
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    /// Reads `https://host` or `https://host:port`; a path other than `/` is an error.
    fn from_str(s: &str) -> Result<Self, OriginError> {
        let uri: Uri = s.parse().map_err(|_| OriginError::Malformed)?;
        let origin = Self::of(&uri)?;
        let bare = uri.path_and_query().is_none_or(|path| path == "/");
        // `http::Uri` drops a fragment without a word.
        if bare && !s.contains('#') {
            Ok(origin)
        } else {
            Err(OriginError::Path)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(s: &str) -> Origin {
        s.parse().expect(s)
    }

    #[test]
    fn an_origin_matches_itself_in_any_case_and_with_its_default_port() {
        let api = origin("https://API.Example.com");
        for uri in [
            "https://api.example.com",
            "https://api.example.com:443/a?b",
            "HTTPS://api.EXAMPLE.com/",
        ] {
            assert!(api.matches(&uri.parse().expect(uri)), "{uri}");
        }
        assert_eq!(api.to_string(), "https://api.example.com");
        assert_eq!(origin("http://[::1]:3000").to_string(), "http://[::1]:3000");
        let local = origin("http://LOCALHOST:3000");
        assert_eq!((local.host(), local.port()), ("localhost", 3000));
        for uri in ["http://localhost:3000/a", "http://localhost:03000/a"] {
            assert!(local.matches(&uri.parse().expect(uri)), "{uri}");
        }
        for uri in [
            "http://localhost/a",
            "https://localhost:3000/a",
            "http://localhost:3001/a",
        ] {
            assert!(!local.matches(&uri.parse().expect(uri)), "{uri}");
        }
    }

    #[test]
    fn an_origin_matches_nothing_else() {
        let api = origin("https://api.example.com");
        for uri in [
            "http://api.example.com/",
            "https://api.example.com:80/",
            "https://api.example.com./",
            "https://api.example.com:4430/",
            "https://api.example.com.evil.example/",
            "https://api.example.com@evil.example/",
            "https://api.example.com:443@evil.example/",
            "https://user:secret@api.example.com/",
            "/relative",
        ] {
            assert!(!api.matches(&uri.parse().expect(uri)), "{uri}");
        }
        let local = origin("http://127.0.0.1");
        for uri in ["http://127.1/", "http://0x7f.1/", "http://localhost/"] {
            assert!(!local.matches(&uri.parse().expect(uri)), "{uri}");
        }
    }

    #[test]
    fn what_is_no_origin_says_what_to_change() {
        for (text, error) in [
            ("not a uri", OriginError::Malformed),
            ("/path", OriginError::Relative),
            ("api.example.com", OriginError::Relative),
            ("ftp://api.example.com", OriginError::Scheme),
            ("https://u:p@api.example.com", OriginError::UserInformation),
            ("https://127.1", OriginError::Host),
            ("https://0x7f.1", OriginError::Host),
            ("https://2130706433", OriginError::Host),
            ("https://ex%61mple.com", OriginError::Malformed),
            ("https://api.example.com/v1", OriginError::Path),
            ("https://api.example.com?x", OriginError::Path),
            ("https://api.example.com?", OriginError::Path),
            ("https://api.example.com/#x", OriginError::Path),
            ("https://api.example.com:", OriginError::Port),
            ("https://api.example.com:+443", OriginError::Port),
            ("https://api.example.com:-1", OriginError::Port),
            ("https://api.example.com:65536", OriginError::Port),
            ("https://api.example.com:443x", OriginError::Port),
            ("https://:443", OriginError::Host),
            ("https://[::1]x:443", OriginError::Port),
            ("https://[0:0::1]", OriginError::Host),
            ("https://[::ffff:127.0.0.1]", OriginError::Host),
            ("https://[fe80::1%25eth0]", OriginError::Host),
            ("https://[localhost]", OriginError::Host),
        ] {
            let got = text.parse::<Origin>();
            assert_eq!(got, Err(error), "{text}");
            let shown = error.to_string();
            assert!(!shown.contains("example.com"), "{shown}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(origin(&format!("http://{host}:1")).is_loopback(), "{host}");
        }
        for host in ["localhost.evil.example", "128.0.0.1", "[::2]", "10.0.0.1"] {
            assert!(!origin(&format!("http://{host}:1")).is_loopback(), "{host}");
        }
    }
}
