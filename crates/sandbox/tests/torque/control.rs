//! The sandbox's own routes, and the protocols.

use sandbox::{Torque, TorqueConfig};
use serde_json::json;

use crate::common::Client;
use crate::plain;

#[tokio::test]
async fn the_sandbox_routes_mint_report_and_are_not_counted() {
    let (torque, client) = plain().await;
    let control = format!("http://{}/__sandbox", torque.addr());
    let mint = |body| client.post(&format!("{control}/mint")).json(body).send();
    let wallet = mint(json!({ "lifetimeMs": 2500 })).await.json();
    assert_eq!(
        (wallet["kind"].as_str(), wallet["expiresIn"].as_f64()),
        (Some("wallet"), Some(2.5))
    );
    let token = wallet["token"].as_str().expect("a token");
    assert_eq!(token.split('.').count(), 3);
    assert_eq!(
        client
            .get("/accounts/wallet")
            .bearer(token)
            .send()
            .await
            .status,
        200
    );
    let delegated = mint(json!({ "kind": "delegated", "lifetimeSeconds": 60 }))
        .await
        .json();
    let delegated = delegated["token"].as_str().expect("a token");
    assert_eq!(
        client
            .get("/accounts/wallet")
            .bearer(delegated)
            .send()
            .await
            .status,
        401
    );
    assert_eq!(mint(json!({ "kind": "other" })).await.status, 400);
    assert_eq!(mint(json!({ "lifetimeSeconds": -1 })).await.status, 400);

    let invalidated = client
        .post(&format!("{control}/invalidate"))
        .json(json!({ "token": token }))
        .send()
        .await;
    assert_eq!(invalidated.json()["invalidated"], true);
    assert_eq!(
        client
            .get("/accounts/wallet")
            .bearer(token)
            .send()
            .await
            .status,
        401
    );

    let report: sandbox::Report =
        serde_json::from_str(&client.get(&format!("{control}/report")).send().await.text)
            .expect("a report");
    assert_eq!(report, torque.report());
    assert_eq!(
        (report.requests, report.tokens_minted, report.token_requests),
        (3, 2, 4)
    );
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn http2_with_prior_knowledge_is_answered_too() {
    let torque = Torque::start(TorqueConfig::default())
        .await
        .expect("a free port");
    let client = Client::http2(torque.base_url());
    let calls = (0..20).map(|_| {
        client
            .get("/intelligence/feed")
            .bearer("sk_live_sandbox")
            .send()
    });
    for reply in futures_util::future::join_all(calls).await {
        assert_eq!(reply.status, 200);
    }
    assert_eq!(torque.report().peak_in_window, 20);
}
