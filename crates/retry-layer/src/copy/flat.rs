//! A request's URI and headers in one buffer.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Parts, PathAndQuery, Scheme, Uri};

/// Room for a header of ordinary length. Longer ones make the buffer grow.
const ORDINARY: usize = 64;

/// The URI and the headers of a request, written one after the other into one buffer.
///
/// Most copies of requests are dropped unused, so this one is cheap to make and to drop rather than to read: one allocation. A
/// clone of a `HeaderMap` takes two for its tables, and one for each name and value that is not shared yet, and a
/// `Uri` takes reference counts.
///
/// What comes out equals what went in: also the order of the headers, of several values of one name, and which values are
/// sensitive.
pub(super) struct Flat {
    bytes: Vec<u8>,
    uri: FlatUri,
    headers: usize,
}

/// The parts that a URI has, and where they end in the buffer.
struct FlatUri {
    scheme: Option<Scheme>,
    authority: Option<usize>,
    path_and_query: Option<usize>,
}

impl Flat {
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let authority = uri.authority().map(Authority::as_str);
        let path_and_query = uri.path_and_query().map(PathAndQuery::as_str);
        let room = authority.map_or(0, str::len) + path_and_query.map_or(0, str::len);
        let mut bytes = Vec::with_capacity(room + ORDINARY * headers.len());
        let mut put = |text: &str| {
            bytes.extend_from_slice(text.as_bytes());
            bytes.len()
        };
        let uri = FlatUri {
            scheme: uri.scheme().cloned(),
            authority: authority.map(&mut put),
            path_and_query: path_and_query.map(put),
        };
        for (name, value) in headers {
            let name = name.as_str().as_bytes();
            let lengths = Lengths {
                name: name.len(),
                value: value.len(),
                sensitive: value.is_sensitive(),
            };
            bytes.reserve(Lengths::SIZE + name.len() + value.len());
            bytes.extend_from_slice(&lengths.write());
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(value.as_bytes());
        }
        Self {
            bytes,
            uri,
            headers: headers.len(),
        }
    }

    pub(super) fn uri(&self) -> Uri {
        const VALID: &str = "was part of a URI";
        let FlatUri {
            scheme,
            authority,
            path_and_query,
        } = &self.uri;
        let after_authority = authority.unwrap_or(0);
        let mut parts = Parts::default();
        parts.scheme.clone_from(scheme);
        parts.authority = authority.map(|end| self.bytes[..end].try_into().expect(VALID));
        parts.path_and_query =
            path_and_query.map(|end| self.bytes[after_authority..end].try_into().expect(VALID));
        Uri::from_parts(parts).expect("the parts of a URI")
    }

    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.headers);
        let mut rest = &self.bytes[self.uri.end()..];
        while let Some((lengths, after)) = rest.split_first_chunk() {
            let lengths = Lengths::read(*lengths);
            let (name, after) = after.split_at(lengths.name);
            let (value, after) = after.split_at(lengths.value);
            let name = HeaderName::from_bytes(name).expect("was a name");
            let mut value = HeaderValue::from_bytes(value).expect("was a value");
            value.set_sensitive(lengths.sensitive);
            headers.append(name, value);
            rest = after;
        }
        headers
    }
}

impl FlatUri {
    fn end(&self) -> usize {
        self.path_and_query.or(self.authority).unwrap_or(0)
    }
}

/// What stands before each header: one word.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Lengths {
    /// No more than 16 bits: `http` allows no longer names.
    name: usize,
    value: usize,
    sensitive: bool,
}

impl Lengths {
    const SIZE: usize = size_of::<u64>();

    fn write(self) -> [u8; Self::SIZE] {
        let word =
            ((self.value as u64) << 17) | ((self.name as u64) << 1) | u64::from(self.sensitive);
        word.to_ne_bytes()
    }

    fn read(bytes: [u8; Self::SIZE]) -> Self {
        let word = u64::from_ne_bytes(bytes);
        Self {
            name: usize::from((word >> 1) as u16),
            value: (word >> 17) as usize,
            sensitive: word & 1 == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn listed(headers: &HeaderMap) -> Vec<(&HeaderName, &[u8], bool)> {
        headers
            .iter()
            .map(|(name, value)| (name, value.as_bytes(), value.is_sensitive()))
            .collect()
    }

    fn assert_same(uri: &Uri, headers: &HeaderMap) {
        let flat = Flat::of(uri, headers);
        // Twice: reading takes nothing out of it.
        for _ in 0..2 {
            let (uri_again, again) = (flat.uri(), flat.headers());
            assert_eq!(&uri_again, uri);
            assert_eq!(uri_again.to_string(), uri.to_string());
            assert_eq!(uri_again.scheme(), uri.scheme());
            assert_eq!(uri_again.authority(), uri.authority());
            // As text: `http` reads an empty path as `/`, and holds the two for different.
            let path_and_query = uri.path_and_query().map(PathAndQuery::as_str);
            let path_and_query_again = uri_again.path_and_query().map(PathAndQuery::as_str);
            assert_eq!(path_and_query_again, path_and_query);
            assert_eq!(&again, headers);
            assert_eq!(listed(&again), listed(headers));
        }
    }

    #[test]
    fn uris_of_all_forms_come_out_as_they_went_in() {
        for uri in [
            "https://api.example.com/v1/orders?status=open&limit=50",
            "https://api.example.com",
            "http://api.example.com?status=open",
            "HTTP://API.example.com:8080/",
            "http://user:secret@[::1]:80/%7Euser/?",
            "grpc+unix://socket/a//b",
            "/v1/orders?status=open",
            "/",
            "*",
            "api.example.com:443",
            "localhost",
            "/caf\u{e9}?\u{e9}",
        ] {
            let uri = uri.parse().unwrap_or_else(|error| panic!("{uri}: {error}"));
            assert_same(&uri, &HeaderMap::new());
        }
        assert_same(&Uri::default(), &HeaderMap::new());
    }

    #[test]
    fn names_and_values_of_any_length_come_out_as_they_went_in() {
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_bytes(&[b'x'; u16::MAX as usize]).expect("the longest name");
        headers.append(name.clone(), HeaderValue::from_static(""));
        let mut value = HeaderValue::from_bytes(&[b'v'; 200_000]).expect("a long value");
        value.set_sensitive(true);
        headers.append(name, value);
        assert_same(&Uri::default(), &headers);
    }

    /// What a program may have done to its headers before.
    #[derive(Clone, Debug)]
    enum Act {
        Insert(&'static str, Vec<u8>, bool),
        Append(&'static str, Vec<u8>, bool),
        Remove(&'static str),
    }

    fn act() -> impl Strategy<Value = Act> {
        let names = ["accept", "cookie", "x-request-id", "x-account", "a"];
        let name = move || proptest::sample::select(names.to_vec());
        let byte = prop_oneof![Just(b'\t'), 32..127u8, 128..=255u8];
        let value = move || vec(byte.clone(), 0..40);
        prop_oneof![
            1 => (name(), value(), any::<bool>()).prop_map(|(n, v, s)| Act::Insert(n, v, s)),
            3 => (name(), value(), any::<bool>()).prop_map(|(n, v, s)| Act::Append(n, v, s)),
            1 => name().prop_map(Act::Remove),
        ]
    }

    fn after(acts: Vec<Act>) -> HeaderMap {
        let made = |bytes: Vec<u8>, sensitive| {
            let mut value = HeaderValue::from_bytes(&bytes).expect("no control characters");
            value.set_sensitive(sensitive);
            value
        };
        let mut headers = HeaderMap::new();
        for act in acts {
            match act {
                Act::Insert(name, value, sensitive) => {
                    headers.insert(name, made(value, sensitive));
                }
                Act::Append(name, value, sensitive) => {
                    headers.append(name, made(value, sensitive));
                }
                Act::Remove(name) => {
                    headers.remove(name);
                }
            }
        }
        headers
    }

    proptest! {
        #[test]
        fn headers_come_out_as_they_went_in(acts in vec(act(), 0..40)) {
            assert_same(&Uri::from_static("/"), &after(acts));
        }

        #[test]
        fn whatever_is_a_uri_comes_out_as_it_went_in(
            text in "([a-z][a-z0-9+.-]{0,6}://)?[!-~\u{e9}]{1,24}([/?][!-~]{0,12}){0,3}",
        ) {
            let Ok(uri) = text.parse::<Uri>() else {
                return Ok(());
            };
            assert_same(&uri, &HeaderMap::new());
        }

        #[test]
        fn lengths_are_read_as_they_were_written(
            name in 0..=usize::from(u16::MAX),
            value in 0..=u32::MAX as usize,
            sensitive: bool,
        ) {
            let lengths = Lengths { name, value, sensitive };
            assert_eq!(Lengths::read(lengths.write()), lengths);
        }
    }
}
