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

/// How long after `now` the token's `exp` claim lies, if it is a JWT (RFC 7519, section 4.1.4) with one in the future.
///
/// A claim in the past is no hint either: this clock may be wrong, and the server will say so if it is not.
pub(crate) fn remaining(token: &str, now: SystemTime) -> Option<Duration> {
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
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    exp.checked_sub(now).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
    }

    fn left(token: &str) -> Option<u64> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        remaining(token, now).map(|left| left.as_secs())
    }

    #[test]
    fn exp_is_read() {
        assert_eq!(left(&jwt(r#"{"sub":"x","exp":1060}"#)), Some(60));
        assert_eq!(left(&jwt(r#"{"exp":1060.0}"#)), Some(60));
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
            r#"{"exp":0}"#,
            r#"{"exp":1000}"#,
            r#"{"exp":1e400}"#,
            r#"{"exp":1e300}"#,
            r#"{"exp":1060"#,
        ] {
            assert_eq!(left(&jwt(claims)), None, "{claims}");
        }
        let good = URL_SAFE_NO_PAD.encode(r#"{"exp":1060}"#);
        for token in [
            "opaque".to_owned(),
            format!("a.{good}"),
            format!("a.{good}.b.c"),
            "a.*.b".to_owned(),
            format!("{}.{good}.b", "a".repeat(LONGEST)),
        ] {
            assert_eq!(left(&token), None);
        }
    }
}
