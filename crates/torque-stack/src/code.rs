//! The code in Torque's error envelope.

use std::time::Duration;

use call_context::BodyPrefix;
use http::Extensions;
use serde::Deserialize;

/// The longest cooldown that is believed.
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
struct Envelope {
    error: Body,
}

#[derive(Deserialize)]
struct Body {
    code: String,
    #[serde(default)]
    details: Details,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    retry_after_ms: Option<f64>,
}

/// How long one call cools down, where that is what a 429 is about.
///
/// Torque answers 429 with the code `COOLDOWN` to a forced feed that comes too soon: that is not the key's quota. A body that
/// cannot be read, or not within the prefix, is taken for the quota: the safe side.
pub(crate) fn cooldown(extensions: &Extensions) -> Option<Duration> {
    let prefix = extensions.get::<BodyPrefix>()?;
    let envelope: Envelope = serde_json::from_slice(prefix.as_bytes()).ok()?;
    if envelope.error.code != "COOLDOWN" {
        return None;
    }
    let seconds = envelope.error.details.retry_after_ms.unwrap_or(0.0) / 1e3;
    let after = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Some(after.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn read(body: &'static str) -> Option<Duration> {
        let mut extensions = Extensions::new();
        extensions.insert(BodyPrefix::new(Bytes::from_static(body.as_bytes())));
        cooldown(&extensions)
    }

    #[test]
    fn only_a_cooldown_is_one() {
        let ms = |ms| Some(Duration::from_millis(ms));
        for (body, expected) in [
            (
                r#"{"error":{"code":"COOLDOWN","message":"m","details":{"retryAfterMs":1500}}}"#,
                ms(1500),
            ),
            (r#"{"error":{"code":"COOLDOWN","message":"m"}}"#, ms(0)),
            (
                r#"{"error":{"code":"COOLDOWN","details":{"retryAfterMs":1e300}}}"#,
                ms(0),
            ),
            (
                r#"{"error":{"code":"COOLDOWN","details":{"retryAfterMs":1e12}}}"#,
                ms(3_600_000),
            ),
            (
                r#"{"error":{"code":"COOLDOWN","details":{"retryAfterMs":-5}}}"#,
                ms(0),
            ),
            (
                r#"{"error":{"code":"RATE_LIMIT_EXCEEDED","message":"COOLDOWN"}}"#,
                None,
            ),
            (r#"{"error":{"code":"COOLDOWN","details":{"retryA"#, None),
            ("COOLDOWN", None),
            ("", None),
        ] {
            assert_eq!(read(body), expected, "{body}");
        }
        assert_eq!(cooldown(&Extensions::new()), None);
    }
}
