//! Toromarket through a real HTTP client.

mod common;

use std::time::Duration;

use common::{Client, Reply};
use sandbox::{Credential, Toromarket, ToromarketConfig};
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_secs(3600);

async fn start(config: ToromarketConfig) -> (Toromarket, Client) {
    let toromarket = Toromarket::start(config).await.expect("a free port");
    let client = Client::new(toromarket.base_url());
    (toromarket, client)
}

async fn plain() -> (Toromarket, Client) {
    start(ToromarketConfig::default()).await
}

async fn self_register(client: &Client, name: &str) -> Reply {
    let body = json!({ "email": format!("{name}@example.com"), "username": name, "password": "a password" });
    client.post("/agents/self-register").json(body).send().await
}

async fn login(client: &Client, name: &str) -> Reply {
    let body = json!({ "email": format!("{name}@example.com"), "password": "a password" });
    client.post("/auth/login").json(body).send().await
}

fn token(reply: &Reply) -> String {
    reply.json()["data"]["token"]
        .as_str()
        .expect("a token")
        .into()
}

fn order(reasoning: &str, confidence: Value) -> Value {
    json!({ "market": "TORO-USD", "side": "buy", "reasoning": reasoning, "confidence": confidence })
}

const WHY: &str = "the bull has not slept";

#[tokio::test]
async fn a_registration_gives_a_token_a_key_and_a_claim_url() {
    let (toromarket, client) = plain().await;
    let data = self_register(&client, "ann").await.json()["data"].clone();
    for field in [
        "token",
        "apiKey",
        "userId",
        "username",
        "claimUrl",
        "claimCode",
    ] {
        assert!(data[field].is_string(), "{field} in {data}");
    }
    let me = |call: common::Call| call.send();
    let by_token = me(client
        .get("/agents/me")
        .bearer(data["token"].as_str().expect("text")))
    .await;
    let by_key = me(client
        .get("/agents/me")
        .header("x-api-key", data["apiKey"].as_str().expect("text")))
    .await;
    assert_eq!(
        (by_token.status.as_u16(), &by_token.text),
        (200, &by_key.text)
    );
    let report = toromarket.report();
    let me = &report.routes["GET /agents/me"];
    assert_eq!((me[&Credential::LoginJwt], me[&Credential::ApiKey]), (1, 1));
    assert_eq!(
        (
            report.wrong_credential,
            report.token_requests,
            report.tokens_minted
        ),
        (0, 1, 1)
    );
}

#[tokio::test]
async fn a_login_leaves_the_old_token_valid_until_it_is_invalidated() {
    let (toromarket, client) = plain().await;
    let old = token(&self_register(&client, "ann").await);
    let new = token(&login(&client, "ann").await);
    assert_ne!(old, new);
    let me = |token: &str| client.get("/agents/me").bearer(token).send();
    assert_eq!(me(&old).await.status, 200);
    assert_eq!(me(&new).await.status, 200);
    assert!(toromarket.invalidate(&old));
    assert_eq!(me(&old).await.status, 401);
    assert_eq!(me(&new).await.status, 200);
    toromarket.invalidate_all();
    assert_eq!(me(&new).await.status, 401);
    assert_eq!(me(&token(&login(&client, "ann").await)).await.status, 200);
    assert_eq!(toromarket.report().refused.invalidated, 2);
}

#[tokio::test]
async fn a_wrong_password_and_a_credential_on_the_login_are_seen() {
    let (toromarket, client) = plain().await;
    assert_eq!(login(&client, "nobody").await.code(), "INVALID_CREDENTIALS");
    let first = token(&self_register(&client, "ann").await);
    let body = json!({ "email": "ann@example.com", "password": "a password" });
    assert_eq!(
        client
            .post("/auth/login")
            .bearer(&first)
            .json(body)
            .send()
            .await
            .status,
        200
    );
    assert_eq!(toromarket.report().wrong_credential, 1);
}

#[tokio::test]
async fn a_read_without_a_credential_or_with_a_foreign_one_is_refused() {
    let (toromarket, client) = plain().await;
    let me = || client.get("/agents/me");
    assert_eq!(me().send().await.status, 401);
    assert_eq!(me().bearer("what.is.this").send().await.status, 401);
    assert_eq!(
        me().header("x-api-key", "tm_unknown").send().await.status,
        401
    );
    assert_eq!(
        me().bearer("a")
            .header("x-api-key", "tm_b")
            .send()
            .await
            .status,
        401
    );
    let report = toromarket.report();
    assert_eq!(
        (
            report.status_401,
            report.wrong_credential,
            report.refused.wrong
        ),
        (4, 3, 4)
    );
    assert_eq!(report.credentials[&Credential::Several], 1);
}

#[tokio::test]
async fn every_authenticated_answer_states_limit_remaining_and_reset() {
    let (toromarket, client) = start(ToromarketConfig {
        limit: 3,
        ..ToromarketConfig::default()
    })
    .await;
    assert!(toromarket.add_agent("ann@example.com", "ann", "a password"));
    let token = toromarket
        .mint_login("ann@example.com", HOUR)
        .expect("ann is known");
    let remaining = |reply: &Reply| {
        reply
            .header("x-ratelimit-remaining")
            .and_then(|left| left.parse::<u64>().ok())
    };
    for left in [2, 1] {
        let reply = client.get("/agents/me").bearer(&token).send().await;
        assert_eq!(
            (reply.header("x-ratelimit-limit"), remaining(&reply)),
            (Some("3"), Some(left))
        );
    }
    // An answer of 400 is one too.
    let bad = client
        .post("/orders")
        .bearer(&token)
        .json(order("short", json!(0.5)))
        .send()
        .await;
    assert_eq!((bad.status.as_u16(), remaining(&bad)), (400, Some(0)));
    let over = client.get("/agents/me").bearer(&token).send().await;
    assert_eq!((over.status.as_u16(), remaining(&over)), (429, Some(0)));
    let wait: u64 = over
        .header("retry-after")
        .and_then(|s| s.parse().ok())
        .expect("seconds");
    assert!((1..=60).contains(&wait));
    assert!(
        over.header("x-ratelimit-reset")
            .is_some_and(|reset| reset.len() == 10)
    );
    assert_eq!(
        client
            .get("/markets")
            .send()
            .await
            .header("x-ratelimit-limit"),
        None
    );
    let report = toromarket.report();
    assert_eq!(
        (
            report.limit,
            report.peak_in_window,
            report.peak_offered,
            report.quota_429
        ),
        (3, 3, 4, 1)
    );
}

#[tokio::test]
async fn public_routes_have_a_quota_of_their_own_that_is_no_part_of_the_peak() {
    let (toromarket, client) = start(ToromarketConfig {
        public_limit: 2,
        ..ToromarketConfig::default()
    })
    .await;
    let statuses = [(); 3].map(|()| client.get("/markets").send());
    let statuses = futures_util::future::join_all(statuses).await;
    assert_eq!(
        statuses.iter().filter(|reply| reply.status == 429).count(),
        1
    );
    let report = toromarket.report();
    assert_eq!((report.peak_in_window, report.peak_offered), (0, 0));
    assert_eq!(report.keys["public routes"].peak, 2);
}

#[tokio::test]
async fn an_order_gives_its_reasons_and_its_confidence() {
    let (toromarket, client) = plain().await;
    let token = token(&self_register(&client, "ann").await);
    let send = |body: Value| client.post("/orders").bearer(&token).json(body).send();
    let rows = [
        (order(WHY, json!(0.5)), 201),
        (order(WHY, json!(0)), 201),
        (order(WHY, json!(1)), 201),
        (order(WHY, json!(1.01)), 400),
        (order(WHY, json!(-0.1)), 400),
        (order(WHY, json!("high")), 400),
        (order(&"é".repeat(20), json!(0.5)), 201),
        (order(&"é".repeat(19), json!(0.5)), 400),
        (json!({ "confidence": 0.5 }), 400),
    ];
    for (body, status) in rows {
        assert_eq!(send(body.clone()).await.status.as_u16(), status, "{body}");
    }
    assert_eq!(toromarket.report().trades_executed, 4);
}

#[tokio::test]
async fn an_order_that_is_sent_twice_is_executed_twice_and_reported() {
    let (toromarket, client) = plain().await;
    let token = token(&self_register(&client, "ann").await);
    for _ in 0..2 {
        let mut body = order(WHY, json!(0.9));
        body["clientTradeId"] = "o-1".into();
        client
            .post("/orders")
            .bearer(&token)
            .json(body)
            .send()
            .await;
    }
    let report = toromarket.report();
    assert_eq!(
        (
            report.trades_executed,
            report.trades_distinct,
            report.duplicate_trades
        ),
        (2, 1, 1)
    );
}

#[tokio::test]
async fn keys_are_created_listed_scoped_and_revoked() {
    let (toromarket, client) = plain().await;
    let token = token(&self_register(&client, "ann").await);
    let created = client
        .post("/api-keys")
        .bearer(&token)
        .json(json!({ "name": "reader", "scopes": ["read"] }))
        .send()
        .await;
    let data = created.json()["data"].clone();
    let (id, secret) = (
        data["id"].as_str().expect("an id"),
        data["apiKey"].as_str().expect("a key"),
    );
    assert!(secret.starts_with("tm_"));
    let me = || client.get("/agents/me").header("x-api-key", secret).send();
    assert_eq!(me().await.status, 200);
    let trade = client
        .post("/orders")
        .header("x-api-key", secret)
        .json(order(WHY, json!(1)))
        .send()
        .await;
    assert_eq!(trade.code(), "FORBIDDEN");
    let listed = client.get("/api-keys").bearer(&token).send().await;
    assert_eq!(
        listed.json()["data"]["apiKeys"].as_array().map(Vec::len),
        Some(2)
    );
    assert!(!listed.text.contains(secret));
    assert_eq!(
        client
            .delete(&format!("/api-keys/{id}"))
            .bearer(&token)
            .send()
            .await
            .status,
        200
    );
    assert_eq!(me().await.status, 401);
    assert_eq!(
        client
            .delete("/api-keys/none")
            .bearer(&token)
            .send()
            .await
            .status,
        404
    );
    assert_eq!(toromarket.report().refused.invalidated, 1);
}

#[tokio::test]
async fn the_claim_changes_the_limit_at_run_time() {
    let (toromarket, client) = plain().await;
    let data = self_register(&client, "ann").await.json()["data"].clone();
    let token = data["token"].as_str().expect("a token");
    let me = || client.get("/agents/me").bearer(token).send();
    assert_eq!(me().await.header("x-ratelimit-limit"), Some("10"));
    let opened = client
        .get(data["claimUrl"].as_str().expect("a URL"))
        .send()
        .await;
    assert_eq!(opened.status, 200);
    let claimed = me().await;
    assert_eq!(claimed.header("x-ratelimit-limit"), Some("100"));
    assert_eq!(claimed.json()["data"]["operator"], "sandbox-operator");
    assert!(!toromarket.claim("claim-of-nobody", "somebody"));
    assert_eq!(toromarket.report().limit, 100);
}

#[tokio::test]
async fn the_sixth_self_registration_of_an_hour_is_throttled_with_403() {
    let (toromarket, client) = plain().await;
    for name in ["a", "b", "c", "d", "e"] {
        assert_eq!(self_register(&client, name).await.status, 201);
        // A taken email is no success, and does not count.
        assert_eq!(
            self_register(&client, "a").await.status,
            if name == "e" { 403 } else { 409 }
        );
    }
    let throttled = self_register(&client, "f").await;
    assert_eq!(
        (throttled.status.as_u16(), throttled.code().as_str()),
        (403, "REGISTRATION_THROTTLE")
    );
    let wait: u64 = throttled
        .header("retry-after")
        .and_then(|s| s.parse().ok())
        .expect("seconds");
    assert!((3500..=3600).contains(&wait));
    assert_eq!(toromarket.report().status_403, 2);
}

#[tokio::test]
async fn the_legacy_registration_wants_the_secret_and_the_approval() {
    let (toromarket, client) = plain().await;
    let register = |secret: &str, name: &str| {
        let body = json!({ "email": format!("{name}@example.com"), "username": name, "password": "a password" });
        client
            .post("/auth/register")
            .header("x-toromarket-client", "test")
            .header("x-agent-secret", secret)
            .json(body)
            .send()
    };
    assert_eq!(register("guess", "ann").await.status, 403);
    assert_eq!(register("sandbox-secret", "ann").await.code(), "FORBIDDEN");
    toromarket.approve("ann@example.com");
    assert_eq!(register("sandbox-secret", "ann").await.status, 201);
    toromarket.approve("bob@example.com");
    assert_eq!(
        register("sandbox-secret", "bob").await.code(),
        "REGISTRATION_THROTTLE"
    );
}

#[tokio::test]
async fn an_unknown_route_is_no_route() {
    let (toromarket, client) = plain().await;
    assert_eq!(client.get("/nowhere").send().await.status, 404);
    assert_eq!(client.get("/orders").send().await.status, 404);
    assert_eq!(
        toromarket.report().routes["unknown route"][&Credential::None],
        2
    );
    let minted = client
        .post(&format!("http://{}/__sandbox/mint", toromarket.addr()))
        .json(json!({ "email": "x" }))
        .send()
        .await;
    assert_eq!(minted.status, 400);
}
