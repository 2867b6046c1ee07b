//! When a JWT says that it ends: a hint, unverified.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Longest token that is looked into.
const LONGEST: usize = 16 * 1024;

#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

/// The token's `exp` claim, if it is a JWT (RFC 7519, section 4.1.4) with one that a clock can show.
pub(crate) fn expiry(token: &str) -> Option<SystemTime> {
    if token.len() > LONGEST {
        return None;
    }
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let claims = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
    // An object (section 7.2); serde would read a list as well.
    if claims.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    let exp = Duration::try_from_secs_f64(claims.exp).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(exp)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
    }

    fn seconds(token: &str) -> Option<u64> {
        let expiry = expiry(token)?.duration_since(SystemTime::UNIX_EPOCH);
        Some(expiry.expect("after 1970").as_secs())
    }

    #[test]
    fn exp_is_read() {
        assert_eq!(seconds(&jwt(r#"{"sub":"x","exp":1060}"#)), Some(1060));
        assert_eq!(seconds(&jwt(r#"{"exp":1060.0}"#)), Some(1060));
    }

    #[test]
    fn garbage_is_no_hint() {
        for claims in [
            "",
            "{}",
            "[]",
            r#"{"exp":"1060"}"#,
            r#"{"exp":null}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":1e400}"#,
            r#"{"exp":1e300}"#,
            r#"{"exp":1060"#,
            "[1060]",
            " [1060.5] ",
        ] {
            assert_eq!(seconds(&jwt(claims)), None, "{claims}");
        }
        let good = URL_SAFE_NO_PAD.encode(r#"{"exp":1060}"#);
        for token in [
            "opaque".to_owned(),
            format!("a.{good}"),
            format!("a.{good}.b.c"),
            "a.*.b".to_owned(),
            format!("{}.{good}.b", "a".repeat(LONGEST)),
        ] {
            assert_eq!(seconds(&token), None);
        }
    }

    /// The seeds of the fuzz target, by name.
    fn seeds() -> Vec<(String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/jwt");
        let files = fs::read_dir(folder).expect("seeds").map(|file| {
            let file = file.expect("a file");
            let name = file.file_name().to_string_lossy().into_owned();
            (name, fs::read(file.path()).expect("a file"))
        });
        files.collect()
    }

    #[test]
    fn seeds_say_when_their_tokens_end() {
        let seeds = seeds();
        assert_eq!(seeds.len(), 10);
        for (name, claims) in seeds {
            let claims = String::from_utf8(claims).expect("a text");
            let expected = match name.as_str() {
                "plain" | "nested" | "fraction" => (Some(1060), None),
                "auth0" => (Some(1_700_003_600), None),
                "whole" => (None, Some(1060)),
                _ => (None, None),
            };
            assert_eq!(
                (seconds(&jwt(&claims)), seconds(&claims)),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn no_claims_do_harm_cut_or_spoilt_in_any_place() {
        let read = |claims: &[u8]| {
            let envelope = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
            let whole = std::str::from_utf8(claims).ok().and_then(expiry);
            for end in [expiry(&envelope), whole].into_iter().flatten() {
                assert!(end >= SystemTime::UNIX_EPOCH);
            }
        };
        for (_, claims) in seeds() {
            for place in 0..claims.len() {
                read(&claims[..place]);
                let mut spoilt = claims.clone();
                for byte in *b"\x00\x7f\xff\"\\{}[]:,.-+e09 \n" {
                    spoilt[place] = byte;
                    read(&spoilt);
                }
            }
        }
    }
}
