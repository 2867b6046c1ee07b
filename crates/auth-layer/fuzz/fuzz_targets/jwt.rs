//! Reads the end of a token out of its claims, as they come and in an envelope.
#![no_main]

use std::time::SystemTime;

use auth_layer::fuzzing::jwt_expiry;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(token) = std::str::from_utf8(bytes) {
        check(token);
    }
    if bytes.len() > 8 * 1024 {
        return;
    }
    let claims = URL_SAFE_NO_PAD.encode(bytes);
    let token = format!("e30.{claims}.x");
    let end = check(&token);
    // Head and signature are nobody's business.
    assert_eq!(end, check(&format!("not base64.{claims}.")));
    // Three parts it must be, and no longer than it may.
    for other in [
        format!("e30.{claims}"),
        format!("e30.{claims}.x.y"),
        format!("{}.{claims}.x", "a".repeat(16 * 1024)),
    ] {
        assert_eq!(check(&other), None);
    }
    // White space around an object of claims says nothing.
    let padded = [b" \n", bytes, b"\t "].concat();
    let padded = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(padded));
    assert_eq!(end, check(&padded));
    // RFC 7519, section 7.2: claims are an object.
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    assert!(is_object || end.is_none());
});

/// What is read: a time that can be reckoned with.
fn check(token: &str) -> Option<SystemTime> {
    let end = jwt_expiry(token);
    assert_eq!(end, jwt_expiry(token), "the same again");
    if let Some(end) = end {
        assert!(token.len() <= 16 * 1024);
        let since = end.duration_since(SystemTime::UNIX_EPOCH);
        assert!(since.is_ok(), "not before 1970");
    }
    end
}
