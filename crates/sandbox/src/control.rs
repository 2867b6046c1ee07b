//! `/__sandbox`: what no real system has. Never counted, never faulted.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::{
    answer::{self, Answer},
    call::Call,
    endpoint::Endpoint,
    exchange::System,
    faults::Faults,
    report::Report,
};

/// A system that can be looked at and meddled with.
pub(crate) trait Controlled: System {
    fn report(&self) -> Report;
}

/// The routes that both systems have.
pub(crate) fn routes<S: Controlled>(app: &Arc<S>) -> Router {
    Router::new()
        .route("/__sandbox/report", get(Endpoint::new(app, report::<S>)))
        .route(
            "/__sandbox/faults",
            get(Endpoint::new(app, faults::<S>)).post(Endpoint::new(app, set_faults::<S>)),
        )
        .route(
            "/__sandbox/invalidate",
            post(Endpoint::new(app, invalidate::<S>)),
        )
}

/// An object, or the reason why there is none.
pub(crate) fn done(value: &Value) -> Answer {
    answer::json(StatusCode::OK, value)
}

pub(crate) fn refused(reason: &str) -> Answer {
    answer::json(
        StatusCode::BAD_REQUEST,
        &json!({ "error": { "code": "SANDBOX", "message": reason } }),
    )
}

/// A lifetime given as `lifetimeMs` or `lifetimeSeconds`, at most a year.
pub(crate) fn lifetime(call: &Call, default: Duration) -> Option<Duration> {
    let number = |name| call.json.get(name).and_then(Value::as_f64);
    let seconds = match (number("lifetimeMs"), number("lifetimeSeconds")) {
        (Some(ms), _) => ms / 1e3,
        (None, Some(seconds)) => seconds,
        (None, None) => return Some(default),
    };
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|&lifetime| lifetime <= Duration::from_secs(366 * 86_400))
}

async fn report<S: Controlled>(system: Arc<S>, _: Request<Body>) -> Answer {
    done(&json!(system.report()))
}

async fn faults<S: Controlled>(system: Arc<S>, _: Request<Body>) -> Answer {
    done(&json!(*system.common().faults()))
}

async fn set_faults<S: Controlled>(system: Arc<S>, request: Request<Body>) -> Answer {
    let Some(call) = Call::read(request).await else {
        return refused("the body broke off");
    };
    if !call.json.is_object() {
        return refused("faults are a JSON object; {} for none");
    }
    match serde_json::from_value::<Faults>(call.json) {
        Ok(faults) if !faults.is_possible() => refused("a probability is between 0 and 1"),
        Ok(faults) => {
            system.common().set_faults(faults.clone());
            done(&json!(faults))
        }
        Err(error) => refused(&error.to_string()),
    }
}

async fn invalidate<S: Controlled>(system: Arc<S>, request: Request<Body>) -> Answer {
    let Some(call) = Call::read(request).await else {
        return refused("the body broke off");
    };
    let tokens = &system.common().tokens;
    if call.json.get("all") == Some(&Value::Bool(true)) {
        tokens.invalidate_all();
        return done(&json!({ "invalidated": true }));
    }
    match call.field("token") {
        Some(token) => done(&json!({ "invalidated": tokens.invalidate(&token) })),
        None => refused("say which: {\"token\": \"…\"} or {\"all\": true}"),
    }
}
