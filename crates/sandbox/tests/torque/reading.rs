//! Feeds, chats and the aliases of routes.

use sandbox::TorqueConfig;
use serde_json::json;

use crate::{plain, start};

#[tokio::test]
async fn aliases_name_their_canonical_path_on_every_answer() {
    let (torque, client) = plain().await;
    let header = "x-torque-canonical-path";
    let refused = client.post("/actions/transfers/btc").send().await;
    assert_eq!(
        refused.header(header),
        Some("/api/v1/execute/transfers/btc")
    );
    let key = torque.business_key();
    for (alias, canonical) in [
        ("/business/me", "/api/v1/accounts/business"),
        ("/wallet/me", "/api/v1/accounts/wallet"),
    ] {
        assert_eq!(
            client.get(alias).bearer(&key).send().await.header(header),
            Some(canonical)
        );
    }
    let chat = client.post("/assistant/chat").bearer(&key).send().await;
    assert_eq!(chat.header(header), Some("/api/v1/decide/assistant/chat"));
    let canonical = client.get("/accounts/business").bearer(&key).send().await;
    assert_eq!(canonical.header(header), None);
}

#[tokio::test]
async fn the_feed_holds_at_most_24_items_and_names_its_manifest() {
    let (torque, client) = plain().await;
    for (query, items) in [("", 12), ("?limit=3", 3), ("?limit=99&lanes=markets", 24)] {
        let path = format!("/intelligence/feed{query}");
        let feed = client
            .get(&path)
            .bearer(&torque.business_key())
            .send()
            .await
            .json();
        assert_eq!(feed["items"].as_array().map(Vec::len), Some(items));
        assert!(feed["meta"]["manifestVersion"].is_string());
    }
}

#[tokio::test]
async fn forcing_the_feed_twice_cools_down_without_touching_the_quota() {
    let (torque, client) = plain().await;
    let forced = || {
        client
            .get("/intelligence/feed?force=1")
            .bearer("sk_live_sandbox")
            .send()
    };
    assert_eq!(forced().await.status, 200);
    let cooling = forced().await;
    assert_eq!(
        (cooling.status.as_u16(), cooling.code().as_str()),
        (429, "COOLDOWN")
    );
    let ms = cooling.json()["error"]["details"]["retryAfterMs"].as_u64();
    assert!(ms.is_some_and(|ms| 0 < ms && ms <= 30_000));
    assert_eq!(cooling.header("retry-after"), None);
    let plain = client
        .get("/intelligence/feed")
        .bearer("sk_live_sandbox")
        .send()
        .await;
    assert_eq!(plain.status, 200);
    let report = torque.report();
    assert_eq!(
        (report.status_429, report.cooldown_429, report.quota_429),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn a_chat_streams_when_it_is_asked_to() {
    let (torque, client) = plain().await;
    let chat = |query: &str| {
        let path = format!("/decide/assistant/chat{query}");
        client
            .post(&path)
            .bearer(&torque.business_key())
            .json(json!({ "message": "hello" }))
            .send()
    };
    let streamed = chat("?stream=true").await;
    assert_eq!(streamed.header("content-type"), Some("text/event-stream"));
    assert_eq!(streamed.text.matches("event: delta\ndata: {").count(), 5);
    assert!(streamed.text.ends_with("event: done\ndata: {}\n\n"));
    let whole = chat("").await;
    assert_eq!(whole.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn chats_end_with_the_credits() {
    let (torque, client) = start(TorqueConfig {
        assistant_credits: Some(1),
        ..TorqueConfig::default()
    })
    .await;
    let chat = || {
        client
            .post("/assistant/chat")
            .bearer("sk_live_sandbox")
            .send()
    };
    assert_eq!(chat().await.status, 200);
    let broke = chat().await;
    assert_eq!(
        (broke.status.as_u16(), broke.code().as_str()),
        (402, "assistant_credits_exhausted")
    );
    torque.stop().await;
}
