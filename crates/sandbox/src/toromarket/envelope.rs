//! Toromarket's answers: `{"success":true,"data":…}`, and `{"success":false,"error":{"code","message"}}`.
//!
//! The shape of an error is the sandbox's choice; codes, except `REGISTRATION_THROTTLE`, are too.

use std::time::Duration;

use http::{StatusCode, header::RETRY_AFTER};
use serde_json::{Value, json};

use crate::{
    answer::{self, Answer},
    ledger::Code,
    quota::ceil_seconds,
};

pub(super) fn success(status: StatusCode, data: &Value) -> Answer {
    answer::json(status, &json!({ "success": true, "data": data }))
}

pub(super) fn ok(data: &Value) -> Answer {
    success(StatusCode::OK, data)
}

pub(super) fn error(status: StatusCode, code: &'static str, message: &str) -> Answer {
    let mut answer = answer::json(
        status,
        &json!({ "success": false, "error": { "code": code, "message": message } }),
    );
    answer.extensions_mut().insert(Code(code));
    answer
}

pub(super) fn invalid(message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
}

/// A refusal that says when to come again.
pub(super) fn later(
    status: StatusCode,
    code: &'static str,
    message: &str,
    retry_after: Duration,
) -> Answer {
    let mut answer = error(status, code, message);
    let seconds = ceil_seconds(retry_after).max(1);
    answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    answer
}
