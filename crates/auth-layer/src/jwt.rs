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
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    let exp = Duration::try_from_secs_f64(claims.exp).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(exp)
}

#[cfg(test)]
mod tests {
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
}
