//! Torque's routes, and the class of each.

use call_context::Route;
use http::Method;
use tollgate::BaseUrl;

/// Names of the classes.
pub mod class {
    /// `GET /capabilities`: no credential.
    pub const PUBLIC: &str = "public";
    /// The intelligence feed: business key.
    pub const READ: &str = "read";
    /// `GET /read/portfolio`: wallet JWT, or the business key ([`Torque::portfolio`](crate::Torque::portfolio)).
    pub const PORTFOLIO: &str = "portfolio";
    /// The assistant: business key.
    pub const DECIDE: &str = "decide";
    /// Actions on chain: wallet JWT.
    pub const EXECUTE: &str = "execute";
    /// The same routes on the merchant channel: business key. Asked for per request.
    pub const MERCHANT: &str = "merchant";
    /// The same routes for a third party: Connect's delegated JWT. Asked for per request.
    pub const DELEGATED: &str = "delegated";
    /// `GET /accounts/wallet`: wallet JWT.
    pub const WALLET_ACCOUNT: &str = "wallet-account";
    /// `GET /accounts/business`: business key.
    pub const BUSINESS_ACCOUNT: &str = "business-account";
    /// Connect's own calls: business key.
    pub const CONNECT: &str = "connect";
    /// `POST /accounts/end-users`: business key; idempotent on `externalUserId`.
    pub const END_USERS: &str = "end-users";
}

/// Every route and alias, with its class.
pub(crate) fn all(base: &BaseUrl) -> Vec<Route> {
    let get = |pattern, class| base.route(Method::GET, pattern, class);
    let post = |pattern, class| base.route(Method::POST, pattern, class);
    let execute = |pattern| {
        post(pattern, class::EXECUTE)
            .alternative(class::MERCHANT)
            .alternative(class::DELEGATED)
    };
    vec![
        get("/capabilities", class::PUBLIC),
        get("/intelligence/feed", class::READ),
        get("/read/portfolio", class::PORTFOLIO),
        post("/decide/assistant/chat", class::DECIDE),
        post("/assistant/chat", class::DECIDE),
        execute("/execute/{*rest}"),
        execute("/actions/{*rest}"),
        get("/accounts/wallet", class::WALLET_ACCOUNT),
        get("/wallet/me", class::WALLET_ACCOUNT),
        get("/accounts/business", class::BUSINESS_ACCOUNT),
        get("/business/me", class::BUSINESS_ACCOUNT),
        post("/accounts/end-users", class::END_USERS),
        get("/accounts/end-users/{id}/deposits", class::BUSINESS_ACCOUNT),
        post("/connect/authorize/session", class::CONNECT),
        post("/connect/token", class::CONNECT),
    ]
}
