//! Torque through a real HTTP client.

mod common;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use common::Client;
use http::StatusCode;
use rsa::sha2::{Digest, Sha256};
use sandbox::{Credential, Latency, PortfolioCredential, Torque, TorqueConfig};
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3600);

async fn start(config: TorqueConfig) -> (Torque, Client) {
    let torque = Torque::start(config).await.expect("a free port");
    let client = Client::new(torque.base_url());
    (torque, client)
}

async fn plain() -> (Torque, Client) {
    start(TorqueConfig::default()).await
}

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

#[tokio::test]
async fn a_connect_code_is_exchanged_once_and_only_with_its_verifier() {
    let (torque, client) = plain().await;
    let key = torque.business_key();
    let (verifier, redirect) = (
        "a-verifier-of-some-length-0123456789abcdef",
        "https://partner.example/back",
    );
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let session = || async {
        let reply = client
            .post("/connect/authorize/session")
            .bearer(&key)
            .json(json!({ "redirectUri": redirect, "codeChallenge": challenge, "codeChallengeMethod": "S256", "externalUserId": "u1" }))
            .send()
            .await;
        reply.json()["authorizeUrl"]
            .as_str()
            .expect("a URL")
            .to_owned()
    };
    let exchange = |code: &str, redirect: &str, verifier: &str| {
        client
            .post("/connect/token")
            .bearer(&key)
            .json(json!({ "code": code, "redirectUri": redirect, "codeVerifier": verifier }))
            .send()
    };
    let code = torque.consent(&session().await).expect("a code");
    let token = exchange(&code, redirect, verifier).await.json();
    assert_eq!(token["expiresIn"], 3600);
    let delegated = token["accessToken"].as_str().expect("a token");
    assert_eq!(
        client
            .post("/execute/trades")
            .bearer(delegated)
            .send()
            .await
            .status,
        200
    );
    assert_eq!(exchange(&code, redirect, verifier).await.status, 400);

    let code = torque.consent(&session().await).expect("a code");
    assert_eq!(
        exchange(&code, redirect, "another").await.code(),
        "INVALID_GRANT"
    );
    let code = torque.consent(&session().await).expect("a code");
    assert_eq!(
        exchange(&code, "https://elsewhere.example", verifier)
            .await
            .code(),
        "INVALID_GRANT"
    );

    // A browser's way to the code.
    let url = session().await;
    let sent_back = client.get(&url).send().await;
    assert_eq!(sent_back.status, 302);
    assert!(
        sent_back
            .header("location")
            .is_some_and(|to| to.starts_with(&format!("{redirect}?code=")))
    );
    assert_eq!(torque.consent(&url), None);
    assert_eq!(torque.report().token_requests, 4);
}

#[tokio::test]
async fn end_users_want_an_entitlement() {
    let entitled = plain().await;
    let (torque, client) = start(TorqueConfig {
        entitled: false,
        ..TorqueConfig::default()
    })
    .await;
    let create = |client: &Client| {
        client
            .post("/accounts/end-users")
            .bearer("sk_live_sandbox")
            .json(json!({ "externalUserId": "u", "email": "u@example.com" }))
            .send()
    };
    assert_eq!(create(&client).await.code(), "FORBIDDEN");
    assert_eq!(torque.report().status_403, 1);
    let (first, again) = (create(&entitled.1).await, create(&entitled.1).await);
    assert_eq!((first.status.as_u16(), &first.text), (200, &again.text));
}

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
