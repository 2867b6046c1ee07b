//! What is counted, and where.

use sandbox::TorqueConfig;
use serde_json::json;

use crate::common;
use crate::{HOUR, start};

#[tokio::test]
async fn a_key_is_counted_exactly_and_the_others_are_not() {
    let (torque, client) = start(TorqueConfig {
        limit: 5,
        ..TorqueConfig::default()
    })
    .await;
    torque.add_key("sk_live_second");
    let feed = |key: &str| client.get("/intelligence/feed").bearer(key).send();
    // The merchant channel counts too.
    let merchant = client
        .post("/execute/trades")
        .bearer("sk_live_sandbox")
        .json(json!({ "channel": "merchant" }));
    assert_eq!(merchant.send().await.status, 200);
    for _ in 0..4 {
        assert_eq!(feed("sk_live_sandbox").await.status, 200);
    }
    let over = feed("sk_live_sandbox").await;
    assert_eq!(
        (over.status.as_u16(), over.code().as_str()),
        (429, "RATE_LIMIT_EXCEEDED")
    );
    let seconds = over.json()["error"]["details"]["retryAfterSeconds"].as_u64();
    assert_eq!(
        over.header("retry-after"),
        seconds.map(|s| s.to_string()).as_deref()
    );
    assert!(seconds.is_some_and(|seconds| (1..=60).contains(&seconds)));

    assert_eq!(feed("sk_live_second").await.status, 200);
    assert_eq!(client.get("/capabilities").send().await.status, 200);
    let wallet = torque.mint_wallet(HOUR);
    for _ in 0..10 {
        assert_eq!(
            client
                .post("/execute/trades")
                .bearer(&wallet)
                .send()
                .await
                .status,
            200
        );
    }
    let report = torque.report();
    assert_eq!(
        (report.limit, report.peak_in_window, report.peak_offered),
        (5, 5, 6)
    );
    assert_eq!(
        (report.status_429, report.quota_429, report.cooldown_429),
        (1, 1, 0)
    );
    assert_eq!(report.keys["business key 2"].counted, 1);
    assert_eq!(report.wrong_credential, 0);
    torque.set_limit(6);
    assert_eq!(feed("sk_live_sandbox").await.status, 200);
}

#[tokio::test]
async fn what_the_real_system_may_count_can_be_switched_on() {
    let (torque, client) = start(TorqueConfig {
        limit: 4,
        count_wallet_reads: true,
        count_delegated: true,
        rate_limit_headers: true,
        ..TorqueConfig::default()
    })
    .await;
    let (wallet, delegated) = (torque.mint_wallet(HOUR), torque.mint_delegated(HOUR));
    let left = async |call: common::Call| {
        let reply = call.send().await;
        reply.header("x-ratelimit-remaining").map(str::to_owned)
    };
    let read = || client.get("/accounts/wallet").bearer(&wallet);
    let trade = |token: &str| client.post("/execute/trades").bearer(token);
    assert_eq!(left(read()).await.as_deref(), Some("3"));
    assert_eq!(left(trade(&delegated)).await.as_deref(), Some("2"));
    assert_eq!(left(trade(&wallet)).await, None);
    let feed = client
        .get("/intelligence/feed")
        .bearer(&torque.business_key());
    assert_eq!(left(feed).await.as_deref(), Some("1"));
    assert_eq!(left(read()).await.as_deref(), Some("0"));
    let over = read().send().await;
    assert_eq!(
        (over.status.as_u16(), over.header("x-ratelimit-remaining")),
        (429, Some("0"))
    );
}

#[tokio::test]
async fn a_rejected_request_takes_a_place_only_where_the_server_counts_what_it_rejects() {
    for (count_rejected, status) in [(true, 429), (false, 200)] {
        let (torque, client) = start(TorqueConfig {
            limit: 1,
            count_rejected,
            ..TorqueConfig::default()
        })
        .await;
        let feed = || {
            client
                .get("/intelligence/feed")
                .bearer("sk_live_sandbox")
                .send()
        };
        assert_eq!(feed().await.status, 200);
        assert_eq!(feed().await.status, 429);
        torque.set_limit(2);
        assert_eq!(feed().await.status, status);
    }
}
