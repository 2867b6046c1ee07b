//! Which credential opens which route.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use sandbox::{Credential, PortfolioCredential, TorqueConfig};
use serde_json::json;

use crate::{HOUR, plain, start};

#[tokio::test]
async fn each_route_takes_its_own_credential_and_no_other() {
    let (torque, client) = plain().await;
    let (key, wallet, delegated) = (
        torque.business_key(),
        torque.mint_wallet(HOUR),
        torque.mint_delegated(HOUR),
    );
    // Route; then the status for: nothing, the key, a wallet JWT, a delegated JWT.
    let rows = [
        ("GET", "/capabilities", [200, 200, 200, 200]),
        ("GET", "/intelligence/feed", [401, 200, 401, 401]),
        ("GET", "/read/portfolio", [401, 401, 200, 401]),
        ("POST", "/decide/assistant/chat", [401, 200, 401, 401]),
        ("POST", "/assistant/chat", [401, 200, 401, 401]),
        ("POST", "/execute/trades", [401, 200, 200, 200]),
        ("POST", "/execute/transfers/evm", [401, 200, 200, 200]),
        ("POST", "/actions/trades", [401, 200, 200, 200]),
        ("GET", "/accounts/wallet", [401, 401, 200, 401]),
        ("GET", "/wallet/me", [401, 401, 200, 401]),
        ("GET", "/accounts/business", [401, 200, 401, 401]),
        ("GET", "/business/me", [401, 200, 401, 401]),
        ("POST", "/accounts/end-users", [401, 400, 401, 401]),
        (
            "GET",
            "/accounts/end-users/u/deposits",
            [401, 200, 401, 401],
        ),
        ("POST", "/connect/authorize/session", [401, 400, 401, 401]),
        ("POST", "/connect/token", [401, 400, 401, 401]),
        ("GET", "/execute/trades", [404, 404, 404, 404]),
        ("POST", "/execute", [404, 404, 404, 404]),
        ("GET", "/nowhere", [404, 404, 404, 404]),
    ];
    for (method, path, statuses) in rows {
        let credentials = [None, Some(&key), Some(&wallet), Some(&delegated)];
        for (credential, status) in credentials.into_iter().zip(statuses) {
            let mut call = if method == "GET" {
                client.get(path)
            } else {
                client.post(path)
            };
            if let Some(credential) = credential {
                call = call.bearer(credential);
            }
            let reply = call.send().await;
            assert_eq!(
                reply.status.as_u16(),
                status,
                "{method} {path}: {}",
                reply.text
            );
        }
    }
    let report = torque.report();
    assert_eq!(report.requests, rows.len() as u64 * 4);
    let refused = rows.iter().flat_map(|(_, _, statuses)| statuses);
    assert_eq!(
        report.status_401,
        refused.filter(|&&status| status == 401).count() as u64
    );
    // Each 401 here, and three credentials where none is wanted.
    assert_eq!(report.wrong_credential, report.status_401 + 3);
    assert_eq!(report.refused.wrong, report.status_401);
    assert_eq!(
        report.routes["POST /execute/**"][&Credential::DelegatedJwt],
        3
    );
    assert_eq!(report.alias_requests, 16);
}

#[tokio::test]
async fn the_portfolio_takes_the_business_key_where_it_is_told_to() {
    let (torque, client) = start(TorqueConfig {
        portfolio: PortfolioCredential::BusinessKey,
        ..TorqueConfig::default()
    })
    .await;
    let call = || client.get("/read/portfolio");
    assert_eq!(
        call().bearer(&torque.business_key()).send().await.status,
        200
    );
    assert_eq!(
        call().bearer(&torque.mint_wallet(HOUR)).send().await.code(),
        "INVALID_API_KEY"
    );
}

#[tokio::test]
async fn each_refusal_has_its_code() {
    let (torque, client) = plain().await;
    let feed = |bearer: &str| client.get("/intelligence/feed").bearer(bearer);
    let trade = |bearer: &str| client.post("/execute/trades").bearer(bearer);
    assert_eq!(
        client.get("/intelligence/feed").send().await.code(),
        "UNAUTHORIZED"
    );
    assert_eq!(feed("sk_live_other").send().await.code(), "INVALID_API_KEY");
    assert_eq!(trade("not.a.jwt").send().await.code(), "INVALID_TOKEN");
    let wallet = torque.mint_wallet(HOUR);
    assert!(torque.invalidate(&wallet));
    assert_eq!(trade(&wallet).send().await.code(), "INVALID_TOKEN");
    assert_eq!(
        trade(&torque.mint_wallet(Duration::ZERO))
            .send()
            .await
            .code(),
        "INVALID_TOKEN"
    );
    assert!(torque.revoke_key("sk_live_sandbox"));
    assert_eq!(
        feed("sk_live_sandbox").send().await.code(),
        "INVALID_API_KEY"
    );
    assert_eq!(client.get("/nowhere").send().await.code(), "NOT_FOUND");
    let bad = client
        .post("/execute/trades")
        .bearer(&torque.mint_wallet(HOUR))
        .json(json!([1]));
    assert_eq!(bad.send().await.code(), "BUILD_FAILED");
    let refused = torque.report().refused;
    assert_eq!(
        (refused.wrong, refused.invalidated, refused.expired),
        (3, 2, 1)
    );
}

#[tokio::test]
async fn a_token_signed_elsewhere_opens_nothing() {
    let (torque, client) = plain().await;
    let token = torque.mint_wallet(HOUR);
    let (signed, _) = token.rsplit_once('.').expect("three parts");
    let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode([7; 256]));
    let reply = client.get("/accounts/wallet").bearer(&forged).send().await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(torque.report().credentials[&Credential::Unknown], 1);
}
