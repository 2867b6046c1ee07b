//! Trades: channels, idempotency keys, and what happens without one.

use std::time::Duration;

use sandbox::Latency;
use serde_json::json;

use crate::{HOUR, plain};

#[tokio::test]
async fn the_channel_that_the_body_names_decides_which_credential_is_wrong() {
    let (torque, client) = plain().await;
    let trade = |bearer: String, channel: &str| {
        client
            .post("/execute/trades")
            .bearer(&bearer)
            .json(json!({ "channel": channel }))
            .send()
    };
    assert_eq!(
        trade(torque.mint_wallet(HOUR), "merchant").await.status,
        401
    );
    assert_eq!(trade(torque.business_key(), "onchain").await.status, 401);
    assert_eq!(trade(torque.business_key(), "merchant").await.status, 200);
    assert_eq!(
        trade(torque.mint_delegated(HOUR), "onchain").await.status,
        200
    );
    assert_eq!(torque.report().wrong_credential, 2);
}

#[tokio::test]
async fn an_idempotency_key_repeats_its_answer_across_tokens_and_aliases() {
    let (torque, client) = plain().await;
    let trade = |path: &str, token: &str| {
        client
            .post(path)
            .bearer(token)
            .header("idempotency-key", "7f")
            .json(json!({ "clientTradeId": "t1" }))
            .send()
    };
    let first = trade("/execute/trades", &torque.mint_wallet(HOUR)).await;
    let again = trade("/actions/trades", &torque.mint_wallet(HOUR)).await;
    assert_eq!(first.text, again.text);
    assert_eq!(
        (
            first.header("x-sandbox-replayed"),
            again.header("x-sandbox-replayed")
        ),
        (None, Some("true"))
    );
    let report = torque.report();
    assert_eq!(
        (
            report.trades_executed,
            report.trades_replayed,
            report.duplicate_trades
        ),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn concurrent_requests_with_one_key_execute_once() {
    let (torque, client) = plain().await;
    let mut faults = torque.faults();
    faults.latency_before = Latency::Uniform(Duration::ZERO, Duration::from_millis(5));
    faults.latency_after = faults.latency_before;
    torque.set_faults(faults);
    let wallet = torque.mint_wallet(HOUR);
    let calls = (0..50).map(|_| {
        client
            .post("/execute/trades")
            .bearer(&wallet)
            .header("idempotency-key", "one")
            .send()
    });
    let replies = futures_util::future::join_all(calls).await;
    assert!(replies.iter().all(|reply| reply.text == replies[0].text));
    let report = torque.report();
    assert_eq!(
        (
            report.trades_executed,
            report.trades_replayed,
            report.duplicate_trades
        ),
        (1, 49, 0)
    );
}

#[tokio::test]
async fn the_same_trade_without_a_key_is_executed_twice_and_reported() {
    let (torque, client) = plain().await;
    let wallet = torque.mint_wallet(HOUR);
    for trade in ["a", "a", "b", "a"] {
        client
            .post("/execute/trades")
            .bearer(&wallet)
            .json(json!({ "clientTradeId": trade }))
            .send()
            .await;
    }
    let report = torque.report();
    assert_eq!(
        (
            report.trades_executed,
            report.trades_distinct,
            report.duplicate_trades
        ),
        (4, 2, 2)
    );
}
