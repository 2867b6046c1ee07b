//! Throttles that are not 429s.

use call_context::BodyPrefix;
use http::{Extensions, StatusCode};
use serde::Deserialize;

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    error: Option<Inner>,
}

#[derive(Deserialize)]
struct Inner {
    code: String,
}

/// Whether a response says that registrations are throttled: 403 with this code. It has nothing to do with the agent's window.
///
/// Where in the body the code stands is not published: it is looked for at the top and inside of `error`.
pub(crate) fn is_registration_throttle(status: StatusCode, extensions: &Extensions) -> bool {
    if status != StatusCode::FORBIDDEN {
        return false;
    }
    let prefix = extensions.get::<BodyPrefix>().map(BodyPrefix::as_bytes);
    let Some(Ok(envelope)) = prefix.map(serde_json::from_slice::<Envelope>) else {
        return false;
    };
    let code = envelope.error.map(|inner| inner.code).or(envelope.code);
    code.as_deref() == Some("REGISTRATION_THROTTLE")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_registration_throttle_is_known_by_its_code() {
        for (status, body, expected) in [
            (
                403,
                r#"{"success":false,"error":{"code":"REGISTRATION_THROTTLE"}}"#,
                true,
            ),
            (403, r#"{"code":"REGISTRATION_THROTTLE"}"#, true),
            (403, r#"{"error":{"code":"FORBIDDEN"}}"#, false),
            (403, r#"{"error":"REGISTRATION_THROTTLE"}"#, false),
            (403, "REGISTRATION_THROTTLE", false),
            (429, r#"{"code":"REGISTRATION_THROTTLE"}"#, false),
        ] {
            let mut extensions = Extensions::new();
            extensions.insert(BodyPrefix::new(Bytes::from_static(body.as_bytes())));
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(
                is_registration_throttle(status, &extensions),
                expected,
                "{body}"
            );
        }
    }
}
