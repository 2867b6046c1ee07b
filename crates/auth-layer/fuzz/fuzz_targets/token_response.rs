//! Reads what a token endpoint answers, and looks for what must not come out of it.
#![no_main]

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;

use auth_layer::fuzzing::{fetch, grant};
use auth_layer::oauth::OAuthClient;
use auth_layer::{Grant, Source, SourceError};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const STATUSES: [u16; 8] = [200, 200, 200, 400, 401, 429, 302, 503];
const CANARY: &str = "canary-of-the-request";

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, body)) = bytes.split_first() else {
        return;
    };
    let status = STATUSES[usize::from(first) % STATUSES.len()];
    let asked = ask(status, body);
    let printed = match &asked {
        Ok(granted) => {
            assert_eq!(status, 200);
            check(granted, body);
            format!("{granted:?}")
        }
        Err(error) => show(error),
    };
    assert!(!printed.contains(CANARY), "{printed}");
    assert!(printed.len() < 2000, "bounded, whatever the body's length");
    // No word of the body is quoted that is long enough to be a secret.
    let words = body.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    for word in words.filter(|word| word.len() > 32) {
        assert!(
            !printed.contains(&*String::from_utf8_lossy(word)),
            "{printed}"
        );
    }
    assert_eq!(asked.is_ok(), ask(status, body).is_ok(), "the same again");
});

/// Lets an endpoint answer so to a source that has a refresh token.
fn ask(status: u16, body: &[u8]) -> Result<Grant, SourceError> {
    let body = Bytes::copy_from_slice(body);
    let server = tower::service_fn(move |_: Request<Full<Bytes>>| {
        let mut response = Response::new(Full::new(body.clone()));
        *response.status_mut() = status.try_into().expect("a status");
        ready(Ok::<_, Infallible>(response))
    });
    let client = OAuthClient::new("https://id.example.com/token", "id", server);
    let source = client.expect("an https URL").secret(CANARY).refresh_token();
    let asked = source.fetch(fetch(Some(CANARY))).now_or_never();
    asked.expect("the endpoint answers at once")
}

/// What is granted stands in the body.
fn check(granted: &Grant, body: &[u8]) {
    // `oauth2` does not look at what follows the first value, nor into members that it does not know.
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    let Some(Ok(body)) = values.next() else {
        return;
    };
    assert!(body.is_object(), "RFC 6749, section 5.1");
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let (token, lifetime, refresh_token) = grant(granted);
    assert_eq!(text("access_token"), Some(token));
    assert!(text("token_type").is_some_and(|name| name.eq_ignore_ascii_case("bearer")));
    assert!(body.get("error").is_none_or(Value::is_null));
    assert!(lifetime.is_none() || body.get("expires_in").is_some());
    let other = text("refresh_token").filter(|token| !token.is_empty());
    assert_eq!(refresh_token, other.or(Some(CANARY)));
}

/// An error, and all its causes, as they print and as they are shown.
fn show(error: &SourceError) -> String {
    let mut text = format!("{error:?}");
    let mut link: Option<&dyn Error> = Some(error);
    while let Some(error) = link {
        text.push_str(&format!(" {error} {error:?}"));
        link = error.source();
    }
    text
}
