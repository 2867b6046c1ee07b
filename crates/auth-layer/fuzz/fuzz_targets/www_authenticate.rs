//! Reads challenges, and compares them with themselves written down and read again.
#![no_main]

use auth_layer::Challenge;
use auth_layer_fuzz::{headers, write};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &[
    "realm",
    "error",
    "error_description",
    "scope",
    "resource_metadata",
];

fuzz_target!(|block: &[u8]| {
    let headers = headers(block);
    let all = Challenge::all(&headers);
    assert_eq!(all, Challenge::all(&headers), "the same again");
    assert!(all.len() <= 16, "no more than are read");

    let lines = headers.get_all(WWW_AUTHENTICATE).iter();
    let sent: usize = lines.map(HeaderValue::len).sum();
    let mut kept = 0;
    for challenge in &all {
        assert!(!challenge.scheme().is_empty());
        assert_eq!(
            challenge.is_bearer(),
            challenge.scheme().eq_ignore_ascii_case("bearer")
        );
        kept += challenge.scheme().len();
        for name in NAMES {
            let value = challenge.get(name);
            assert_eq!(value, challenge.get(&name.to_uppercase()), "in any case");
            kept += value.map_or(0, str::len);
        }
        let printed = format!("{challenge:?}");
        assert!(printed.len() <= 100 + 8 * sent, "bounded by what was sent");

        let line = write(challenge, NAMES);
        if line.len() > 8 * 1024 {
            continue;
        }
        let Ok(value) = HeaderValue::from_bytes(line.as_bytes()) else {
            panic!("{line:?} came out of a header and does not go into one");
        };
        let again = Challenge::all(&HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]));
        let [again] = again.as_slice() else {
            panic!("{line:?} is read as {again:?}");
        };
        assert_eq!(again.scheme(), challenge.scheme());
        for name in NAMES {
            assert_eq!(again.get(name), challenge.get(name), "{line:?}");
        }
    }
    assert!(kept <= sent, "nothing is made up");

    let about_scope = auth_layer::fuzzing::is_about_scope(&headers);
    let says = |error: &str| all.iter().any(|c| c.get("error") == Some(error));
    assert_eq!(
        about_scope,
        says("insufficient_scope") && !says("invalid_token")
    );
});
