//! Torque's errors: `{"error":{"code","message","details"}}`.

use std::time::Duration;

use http::{StatusCode, header::RETRY_AFTER};
use serde_json::{Value, json};

use crate::{
    answer::{self, Answer},
    ledger::{COOLDOWN, Code},
    quota::ceil_seconds,
};

pub(super) fn error(
    status: StatusCode,
    code: &'static str,
    message: &str,
    details: Value,
) -> Answer {
    let mut answer = answer::json(
        status,
        &json!({ "error": { "code": code, "message": message, "details": details } }),
    );
    answer.extensions_mut().insert(Code(code));
    answer
}

pub(super) fn unauthorized(code: &'static str, message: &str) -> Answer {
    error(StatusCode::UNAUTHORIZED, code, message, json!({}))
}

pub(super) fn bad_request(code: &'static str, message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, code, message, json!({}))
}

/// The key's quota is used up.
pub(super) fn rate_limited(limit: usize, retry_after: Duration) -> Answer {
    let seconds = ceil_seconds(retry_after).max(1);
    let mut answer = error(
        StatusCode::TOO_MANY_REQUESTS,
        "RATE_LIMIT_EXCEEDED",
        &format!("this key has used its {limit} requests"),
        json!({ "retryAfterSeconds": seconds }),
    );
    answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    answer
}

/// The feed was forced too soon; nothing about the key's quota.
pub(super) fn cooling_down(left: Duration) -> Answer {
    let ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
    error(
        StatusCode::TOO_MANY_REQUESTS,
        COOLDOWN,
        "the feed was forced a moment ago",
        json!({ "retryAfterMs": ms }),
    )
}
