//! Paths, aliases, and what they are for.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use http::{HeaderValue, Request, StatusCode, header::LOCATION};
use serde_json::json;

use super::{WALLET, system::App};
use crate::{
    answer::Answer,
    call::Call,
    common::Terms,
    control::{self, done, lifetime, refused},
    endpoint::Endpoint,
    exchange::{System, exchange},
    tokens::Kind,
};

/// What a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    Capabilities,
    Feed,
    Portfolio,
    Chat,
    Execute,
    WalletAccount,
    BusinessAccount,
    EndUsers,
    Deposits,
    AuthorizeSession,
    Token,
    Nowhere,
}

impl Surface {
    /// The route's name in the report.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Capabilities => "GET /capabilities",
            Self::Feed => "GET /intelligence/feed",
            Self::Portfolio => "GET /read/portfolio",
            Self::Chat => "POST /decide/assistant/chat",
            Self::Execute => "POST /execute/**",
            Self::WalletAccount => "GET /accounts/wallet",
            Self::BusinessAccount => "GET /accounts/business",
            Self::EndUsers => "POST /accounts/end-users",
            Self::Deposits => "GET /accounts/end-users/{id}/deposits",
            Self::AuthorizeSession => "POST /connect/authorize/session",
            Self::Token => "POST /connect/token",
            Self::Nowhere => "unknown route",
        }
    }
}

const BASE: &str = "/api/v1";

/// The canonical path of an alias; `None` for a path that is canonical already.
pub(super) fn canonical(path: &str) -> Option<String> {
    let route = path.strip_prefix(BASE)?;
    let route = match route {
        "/assistant/chat" => "/decide/assistant/chat".into(),
        "/wallet/me" => "/accounts/wallet".into(),
        "/business/me" => "/accounts/business".into(),
        _ => format!("/execute/{}", route.strip_prefix("/actions/")?),
    };
    Some(format!("{BASE}{route}"))
}

/// Every route and alias; wildcards match one segment or more.
const GETS: [(&str, Surface); 8] = [
    ("/capabilities", Surface::Capabilities),
    ("/intelligence/feed", Surface::Feed),
    ("/read/portfolio", Surface::Portfolio),
    ("/accounts/wallet", Surface::WalletAccount),
    ("/wallet/me", Surface::WalletAccount),
    ("/accounts/business", Surface::BusinessAccount),
    ("/business/me", Surface::BusinessAccount),
    ("/accounts/end-users/{id}/deposits", Surface::Deposits),
];

const POSTS: [(&str, Surface); 7] = [
    ("/decide/assistant/chat", Surface::Chat),
    ("/assistant/chat", Surface::Chat),
    ("/execute/{*rest}", Surface::Execute),
    ("/actions/{*rest}", Surface::Execute),
    ("/accounts/end-users", Surface::EndUsers),
    ("/connect/authorize/session", Surface::AuthorizeSession),
    ("/connect/token", Surface::Token),
];

pub(super) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for (path, surface) in GETS {
        router = router.route(&format!("{BASE}{path}"), get(at(app, surface)));
    }
    for (path, surface) in POSTS {
        router = router.route(&format!("{BASE}{path}"), post(at(app, surface)));
    }
    router
        .merge(control::routes(app))
        .route("/__sandbox/mint", post(Endpoint::new(app, mint)))
        .route("/__sandbox/authorize", get(Endpoint::new(app, authorize)))
        .fallback(at(app, Surface::Nowhere))
        .method_not_allowed_fallback(at(app, Surface::Nowhere))
}

/// The endpoint of one surface.
fn at(app: &Arc<App>, surface: Surface) -> Endpoint {
    Endpoint::new(app, move |app, request| serve(app, surface, request))
}

async fn serve(app: Arc<App>, surface: Surface, request: Request<Body>) -> Answer {
    let canonical = canonical(request.uri().path());
    let mut answer = exchange(app, surface, request).await;
    if surface != Surface::Nowhere
        && let Some(path) = canonical.and_then(|path| HeaderValue::try_from(path).ok())
    {
        answer.headers_mut().insert("x-torque-canonical-path", path);
    }
    answer
}

/// Issues a wallet or delegated JWT: in the real system its own sign-in does, which partners cannot call.
async fn mint(app: Arc<App>, request: Request<Body>) -> Answer {
    let common = app.common();
    common.ledger.asked_for_token();
    let Some(call) = Call::read(request).await else {
        return refused("the body broke off");
    };
    let kind = match call.field("kind").as_deref() {
        None | Some("wallet") => Kind::Wallet,
        Some("delegated") => Kind::Delegated,
        Some(_) => return refused("kind is wallet or delegated"),
    };
    let default = match kind {
        Kind::Delegated => app.config.delegated_lifetime,
        _ => app.config.wallet_jwt_lifetime,
    };
    let Some(lifetime) = lifetime(&call, default) else {
        return refused("a lifetime is between nothing and a year");
    };
    let subject = call.field("subject").unwrap_or_else(|| WALLET.into());
    let token = common.mint(Terms {
        kind,
        subject: &subject,
        lifetime,
    });
    done(&json!({ "token": token, "kind": kind, "expiresIn": lifetime.as_secs_f64() }))
}

/// The page that a browser would show: here the user agrees at once and is sent back with a code.
async fn authorize(app: Arc<App>, request: Request<Body>) -> Answer {
    let Some(call) = Call::read(request).await else {
        return refused("the body broke off");
    };
    let session = call.query.get("session").map_or("", String::as_str);
    let Some(consent) = app.connect.consent(session, app.common().clock.now()) else {
        return refused("no such session, or no longer");
    };
    let mark = if consent.redirect_uri.contains('?') {
        '&'
    } else {
        '?'
    };
    let location = format!("{}{mark}code={}", consent.redirect_uri, consent.code);
    let mut answer = done(&json!({ "code": consent.code }));
    if let Ok(location) = HeaderValue::try_from(location) {
        *answer.status_mut() = StatusCode::FOUND;
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}
