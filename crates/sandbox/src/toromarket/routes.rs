//! Paths, and what they are for.
//!
//! Registration, login and API keys are where the vendor has them; where agents read and order is unpublished, so
//! `/agents/me`, `/markets` and `/orders` are the sandbox's choice.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    routing::{delete, get, post},
};
use http::Request;
use serde_json::json;

use super::system::App;
use crate::{
    answer::Answer,
    call::Call,
    control::{self, done, lifetime, refused},
    endpoint::Endpoint,
    exchange::{System, exchange},
};

/// What a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    SelfRegister,
    Login,
    Register,
    Markets,
    Me,
    Order,
    ListKeys,
    CreateKey,
    RevokeKey,
    Nowhere,
}

impl Surface {
    /// The route's name in the report.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::SelfRegister => "POST /agents/self-register",
            Self::Login => "POST /auth/login",
            Self::Register => "POST /auth/register",
            Self::Markets => "GET /markets",
            Self::Me => "GET /agents/me",
            Self::Order => "POST /orders",
            Self::ListKeys => "GET /api-keys",
            Self::CreateKey => "POST /api-keys",
            Self::RevokeKey => "DELETE /api-keys/{id}",
            Self::Nowhere => "unknown route",
        }
    }

    /// Whether everybody may come, under the looser quota.
    pub(super) fn is_public(self) -> bool {
        matches!(
            self,
            Self::SelfRegister | Self::Login | Self::Register | Self::Markets | Self::Nowhere
        )
    }
}

pub(super) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route(
            "/api/v1/agents/self-register",
            post(at(app, Surface::SelfRegister)),
        )
        .route("/api/v1/auth/login", post(at(app, Surface::Login)))
        .route("/api/v1/auth/register", post(at(app, Surface::Register)))
        .route("/api/v1/markets", get(at(app, Surface::Markets)))
        .route("/api/v1/agents/me", get(at(app, Surface::Me)))
        .route("/api/v1/orders", post(at(app, Surface::Order)))
        .route(
            "/api/v1/api-keys",
            get(at(app, Surface::ListKeys)).post(at(app, Surface::CreateKey)),
        )
        .route("/api/v1/api-keys/{id}", delete(at(app, Surface::RevokeKey)))
        .merge(control::routes(app))
        .route("/__sandbox/mint", post(Endpoint::new(app, mint)))
        .route("/__sandbox/approve", post(Endpoint::new(app, approve)))
        .route("/__sandbox/claim", post(Endpoint::new(app, claim)))
        .route(
            "/__sandbox/claim/{code}",
            get(Endpoint::new(app, open_claim)),
        )
        .fallback(at(app, Surface::Nowhere))
        .method_not_allowed_fallback(at(app, Surface::Nowhere))
}

/// The endpoint of one surface.
fn at(app: &Arc<App>, surface: Surface) -> Endpoint {
    Endpoint::new(app, move |app, request| exchange(app, surface, request))
}

/// A token for an agent, without a login.
async fn mint(app: Arc<App>, request: Request<Body>) -> Answer {
    app.common().ledger.asked_for_token();
    let Some(call) = Call::read(request).await else {
        return refused("the body broke off");
    };
    let Some(agent) = call
        .field("email")
        .and_then(|email| app.agents.by_email(&email))
    else {
        return refused("no agent has this email");
    };
    let Some(lifetime) = lifetime(&call, app.config.token_lifetime) else {
        return refused("a lifetime is between nothing and a year");
    };
    let token = app.mint(&agent.id, lifetime);
    done(&json!({ "token": token, "expiresIn": lifetime.as_secs_f64() }))
}

/// The operator's approval, which a legacy registration needs beforehand.
async fn approve(app: Arc<App>, request: Request<Body>) -> Answer {
    match Call::read(request)
        .await
        .and_then(|call| call.field("email"))
    {
        Some(email) => {
            app.agents.approve(&email);
            done(&json!({ "approved": true }))
        }
        None => refused("say which email"),
    }
}

/// The claim, with a handle of one's choice.
async fn claim(app: Arc<App>, request: Request<Body>) -> Answer {
    let Some(call) = Call::read(request).await else {
        return refused("the body broke off");
    };
    let code = call.field("claimCode").unwrap_or_default();
    let handle = call.field("handle");
    claimed(&app, &code, handle.as_deref().unwrap_or("sandbox-operator"))
}

/// What the operator's browser opens: here the sign-in has succeeded already.
async fn open_claim(app: Arc<App>, request: Request<Body>) -> Answer {
    let code = request.uri().path().rsplit('/').next().unwrap_or_default();
    claimed(&app, code, "sandbox-operator")
}

fn claimed(app: &App, code: &str, handle: &str) -> Answer {
    match app.agents.claim(code, handle) {
        Some(agent) => done(&json!({ "username": agent.username, "operator": handle })),
        None => refused("no agent has this claim code"),
    }
}
