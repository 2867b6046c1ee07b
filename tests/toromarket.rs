//! The Toromarket preset against the sandbox: tokens, API keys, registration and the claim.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sandbox::{Credential, Toromarket as Server, ToromarketConfig};
use tollgate::context::{BoxError, NeverLeft};
use tollgate::{BaseUrl, MINUTE, Quota};
use toromarket_stack::{Accounts, Registration, Toromarket, ToromarketStack};
use tower::{ServiceBuilder, ServiceExt};

type Hyper = Client<HttpConnector, Full<Bytes>>;

fn hyper() -> Hyper {
    Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .build_http()
}

async fn start() -> (Server, BaseUrl) {
    let config = ToromarketConfig {
        limit: 100,
        ..ToromarketConfig::default()
    };
    let server = Server::start(config).await.expect("a loopback port");
    let base = server.base_url().parse().expect("a base URL");
    (server, base)
}

fn agent(n: u32) -> Registration {
    Registration::new(
        format!("bot{n}@example.com"),
        format!("bot{n}"),
        "a long password",
    )
    .model("example", "model-1")
}

async fn call(
    stack: &ToromarketStack,
    base: &BaseUrl,
    method: Method,
    path: &str,
    body: &str,
) -> Result<StatusCode, BoxError> {
    let request = Request::builder()
        .method(method)
        .uri(base.uri(path))
        .header("content-type", "application/json")
        .body(Full::from(body.to_owned()))?;
    let client = ServiceBuilder::new().layer(stack.clone()).service(hyper());
    Ok(client.oneshot(request).await?.status())
}

const ORDER: &str = r#"{"clientTradeId":"1","market":"TORO-USD","side":"buy","amount":"1",
    "reasoning":"The twenty-day mean turned up.","confidence":0.7}"#;

#[tokio::test]
async fn an_agent_registers_trades_at_once_and_logs_in_when_its_token_is_worthless() {
    let (server, base) = start().await;
    let accounts = Accounts::new(hyper(), &base);
    let registered = accounts.self_register(&agent(1)).await.expect("registered");
    assert!(registered.claim_url().starts_with("http://127.0.0.1:"));
    assert!(registered.api_key().is_some());
    let login = accounts.login("bot1@example.com", "a long password");
    let stack = Toromarket::new(base.clone())
        .token(login.starting_with(&registered))
        .public(Method::GET, "/markets")
        .window(Quota::rolling(100, MINUTE))
        .client_name("test/1.0")
        .build()
        .expect("a stack");

    for (method, path, body) in [
        (Method::GET, "/markets", ""),
        (Method::GET, "/agents/me", ""),
        (Method::POST, "/orders", ORDER),
    ] {
        let status = call(&stack, &base, method, path, body)
            .await
            .expect("an answer");
        assert!(status.is_success(), "{path}: {status}");
    }
    assert_eq!(
        server.report().tokens_minted,
        1,
        "the registration's token was enough"
    );

    // Dead on the server, fresh here: the order meets a 401, and is replayed with a new token.
    server.invalidate_all();
    let second = ORDER.replace("\"1\",\"market\"", "\"2\",\"market\"");
    let status = call(&stack, &base, Method::POST, "/orders", &second)
        .await
        .expect("an answer");
    assert!(status.is_success(), "{status}");
    let report = server.report();
    assert_eq!(report.status_401, 1);
    assert_eq!(report.tokens_minted, 2);
    assert_eq!(report.trades_executed, 2);
    assert_eq!(report.duplicate_trades, 0);
    assert_eq!(report.wrong_credential, 0);
}

#[tokio::test]
async fn an_api_key_takes_the_place_of_the_token() {
    let (server, base) = start().await;
    let registered = Accounts::new(hyper(), &base).self_register(&agent(1)).await;
    let key = registered
        .expect("registered")
        .api_key()
        .expect("a key")
        .clone();
    let stack = Toromarket::new(base.clone())
        .api_key(key)
        .build()
        .expect("a stack");
    let status = call(&stack, &base, Method::GET, "/agents/me", "")
        .await
        .expect("an answer");
    assert_eq!(status, StatusCode::OK);
    assert_eq!(server.report().credentials[&Credential::ApiKey], 1);
    assert_eq!(server.report().wrong_credential, 0);
}

#[tokio::test]
async fn the_limit_grows_with_the_claim_while_requests_wait() {
    let config = ToromarketConfig {
        limit: 10,
        claimed_limit: 30,
        ..ToromarketConfig::default()
    };
    let server = Server::start(config).await.expect("a loopback port");
    let base: BaseUrl = server.base_url().parse().expect("a base URL");
    let registered = Accounts::new(hyper(), &base).self_register(&agent(1)).await;
    let registered = registered.expect("registered");
    let key = registered.api_key().expect("a key").clone();
    let stack = Toromarket::new(base.clone())
        .api_key(key)
        .build()
        .expect("a stack");
    let me = || call(&stack, &base, Method::GET, "/agents/me", "");
    for _ in 0..9 {
        assert_eq!(me().await.expect("an answer"), StatusCode::OK);
    }
    let code = registered.claim_url().rsplit('/').next();
    assert!(server.claim(code.expect("a code"), "operator"));
    // Ten places: one call goes, the others wait in line, until its answer tells of the new limit.
    let answers = tokio::time::timeout(
        Duration::from_secs(20),
        futures_util::future::join_all((0..20).map(|_| me())),
    );
    let answers = answers.await.expect("long before the minute is over");
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Ok(StatusCode::OK)))
    );
    assert_eq!(server.report().status_429, 0);
}

#[tokio::test]
async fn too_many_registrations_are_told_when_to_come_again() {
    let (server, base) = start().await;
    let accounts = Accounts::new(hyper(), &base);
    for n in 0..5 {
        accounts.self_register(&agent(n)).await.expect("registered");
    }
    let error = accounts
        .self_register(&agent(5))
        .await
        .expect_err("the sixth in an hour");
    assert_eq!(error.status(), Some(StatusCode::FORBIDDEN));
    let after = error.retry_after().expect("Retry-After");
    assert!(
        after > Duration::from_secs(3500) && after <= Duration::from_secs(3600),
        "{after:?}"
    );
    let shown = error.to_string();
    let expected = format!(
        "Toromarket refused: 403 Forbidden; try again in {} s",
        after.as_secs()
    );
    assert_eq!(shown, expected);
    assert_eq!(server.report().status_429, 0);
}

#[tokio::test]
async fn the_legacy_registration_carries_its_secret_and_needs_approval() {
    let (server, base) = start().await;
    let accounts = Accounts::new(hyper(), &base);
    let secret = "sandbox-secret".into();
    let refused = accounts
        .register_approved(&agent(1), "my-bot", &secret)
        .await;
    assert_eq!(
        refused.expect_err("not approved").status(),
        Some(StatusCode::FORBIDDEN)
    );
    server.approve("bot1@example.com");
    let done = accounts
        .register_approved(&agent(1), "my-bot", &secret)
        .await;
    done.expect("approved");
}

#[tokio::test]
async fn a_wrong_password_is_refused_for_good_and_does_not_print() {
    let (server, base) = start().await;
    assert!(server.add_agent("bot@example.com", "bot", "the password"));
    let login = Accounts::new(hyper(), &base).login("bot@example.com", "canary-password");
    let stack = Toromarket::new(base.clone())
        .token(login)
        .build()
        .expect("a stack");
    let stack = Arc::new(stack);
    for _ in 0..3 {
        let error = call(&stack, &base, Method::GET, "/agents/me", "")
            .await
            .expect_err("refused");
        assert!(NeverLeft::find(&*error).is_some());
        let mut link: Option<&dyn std::error::Error> = Some(&*error);
        while let Some(cause) = link {
            assert!(!format!("{cause} {cause:?}").contains("canary"), "{cause}");
            link = cause.source();
        }
    }
    assert_eq!(
        server.report().token_requests,
        1,
        "a permanent refusal is remembered"
    );
}

#[tokio::test]
async fn every_failure_of_an_account_call_says_what_happened() {
    let (server, base) = start().await;
    let accounts = Accounts::new(hyper(), &base);
    let unsendable = accounts
        .register_approved(&agent(1), "line\nbreak", &"canary".into())
        .await
        .expect_err("no header");
    assert_eq!(
        unsendable.to_string(),
        "a header value holds characters that cannot be sent"
    );

    // Not an account's answer at all.
    let echo = tower::service_fn(|_: Request<Full<Bytes>>| {
        let body = Full::<Bytes>::from(r#"{"data":{"claimUrl":"canary"}}"#);
        std::future::ready(Ok::<_, BoxError>(http::Response::new(body)))
    });
    let strange = Accounts::new(echo, &base).self_register(&agent(1)).await;
    assert_eq!(
        strange.expect_err("no token in it").to_string(),
        "Toromarket's answer is not of the expected form"
    );

    server.stop().await;
    let gone = accounts
        .self_register(&agent(1))
        .await
        .expect_err("nobody listens");
    assert_eq!(gone.to_string(), "Toromarket gave no answer");
    assert_eq!(gone.status(), None);
}

#[tokio::test]
async fn nothing_of_an_account_prints() {
    let (_server, base) = start().await;
    let accounts = Accounts::new(hyper(), &base);
    let me = Registration::new("a@example.com", "a", "canary-password");
    let registered = accounts.self_register(&me).await.expect("registered");
    let login = accounts
        .login("a@example.com", "canary-password")
        .starting_with(&registered);
    let shown = format!("{me:?} {registered:?} {login:?}");
    let builder = Toromarket::new(base.clone()).api_key("canary-key");
    let shown = format!("{shown} {builder:?}");
    let stack = builder.build().expect("a stack");
    let shown = format!("{shown} {stack:?}");
    let token = registered.token().expose();
    for secret in ["canary", token, registered.claim_url()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
