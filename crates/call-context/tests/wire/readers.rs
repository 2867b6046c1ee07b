//! What the programs on a path's way make of it, without any socket.

use call_context::canonical::check;
use http::Uri;
use http::uri::PathAndQuery;
use proptest::prelude::*;
use url::Url;

use crate::strategies::{arbitrary, mostly_canonical, mutated};

const BASE: &str = "https://api.example.com";

/// Every reading of a path that passes is the path itself.
fn is_read_alike(path: &str) -> Result<(), TestCaseError> {
    let text = format!("{BASE}{path}");
    let uri: Uri = text.parse().expect("a URI");
    prop_assert_eq!(uri.path(), path);
    prop_assert_eq!(uri.to_string(), &*text);
    let relative: PathAndQuery = path.parse().expect("a path");
    prop_assert_eq!(relative.as_str(), path);

    let url = Url::parse(&text).expect("a URL");
    prop_assert_eq!(url.path(), path);
    prop_assert_eq!(url.as_str(), &*text);
    let base = Url::parse("https://api.example.com/v1/x").expect("a URL");
    let joined = base.join(path).expect("a URL");
    prop_assert_eq!(joined.path(), path);
    let there_and_back: Uri = url.as_str().parse().expect("a URI");
    prop_assert_eq!(there_and_back, uri);
    Ok(())
}

/// A server may decode as often as it likes, before it splits or after, and cut parameters off: the segments stay.
fn is_decoded_alike(path: &str) -> Result<(), TestCaseError> {
    let count = path.split('/').count();
    let mut decoded = path.as_bytes().to_vec();
    for _ in 0..8 {
        let segments: Vec<_> = decoded.split(|byte| *byte == b'/').collect();
        prop_assert_eq!(segments.len(), count);
        for segment in segments {
            let name = segment.split(|byte| *byte == b';').next();
            prop_assert!(!matches!(name, Some(b"." | b"..")));
            prop_assert!(!segment.contains(&b'\\'));
            prop_assert!(!segment.iter().any(u8::is_ascii_control));
        }
        decoded = decode(&decoded);
    }
    Ok(())
}

fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let escape = (byte == b'%').then(|| tail.get(..2)).flatten();
        let value = escape
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(value.unwrap_or(byte));
        rest = if value.is_some() { &tail[2..] } else { tail };
    }
    decoded
}

fn holds(path: &str) -> Result<(), TestCaseError> {
    match check(path) {
        Ok(()) => {
            is_read_alike(path)?;
            is_decoded_alike(path)
        }
        Err(error) => {
            let text = error.to_string();
            prop_assert!(text.starts_with("the path is ambiguous: "), "{}", text);
            prop_assert!(error.at() <= path.len());
            Ok(())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_http_takes_and_we_accept_reads_alike(path in arbitrary()) {
        holds(&path)?;
    }

    #[test]
    fn what_attackers_write_and_we_accept_reads_alike(path in mutated()) {
        holds(&path)?;
    }

    #[test]
    fn what_is_canonical_reads_alike(path in mostly_canonical()) {
        holds(&path)?;
    }

    /// The other direction: nothing is refused without need.
    #[test]
    fn segments_of_unreserved_characters_are_accepted(path in "(/[a-zA-Z0-9_~-]{1,8}){1,5}/?") {
        prop_assert_eq!(check(&path), Ok(()));
    }
}
