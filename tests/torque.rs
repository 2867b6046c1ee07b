//! The Torque preset against the sandbox: the credential, the class and the count of each route.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use sandbox::{Credential, Torque as Server, TorqueConfig};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tollgate::auth::{Grant, Source, SourceError, source_fn};
use tollgate::context::{BoxError, NeverLeft, Refusal};
use tollgate::{BaseUrl, Quota, RetryLayer, Stack, Window};
use torque_stack::{Portfolio, Torque, slot};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

type Answered = (StatusCode, http::HeaderMap, Value);
type Api = BoxCloneSyncService<Request<Full<Bytes>>, Answered, BoxError>;

/// Calls the server through `stack`, and reads answers as JSON.
fn api(stack: &Stack) -> Api {
    let client = Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .build_http::<Full<Bytes>>();
    let service = ServiceBuilder::new()
        .layer(stack.clone())
        .service(client)
        .and_then(read);
    BoxCloneSyncService::new(service)
}

async fn read<B: Body<Error: Into<BoxError>>>(response: Response<B>) -> Result<Answered, BoxError> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(Into::into)?.to_bytes();
    let json = serde_json::from_slice(&body).unwrap_or_default();
    Ok((parts.status, parts.headers, json))
}

fn request(server: &Server, method: Method, path: &str, body: &Value) -> Request<Full<Bytes>> {
    let request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", server.base_url()))
        .header("content-type", "application/json");
    let body = Full::from(body.to_string());
    request.body(body).expect("a request")
}

fn get(server: &Server, path: &str) -> Request<Full<Bytes>> {
    request(server, Method::GET, path, &Value::Null)
}

/// A stack for `server` that takes wallet JWTs from it.
fn preset(server: &Arc<Server>) -> Torque {
    let base: BaseUrl = server.base_url().parse().expect("a base URL");
    let minter = Arc::clone(server);
    Torque::new(base)
        .business_key(server.business_key())
        .wallet(source_fn(move |_| {
            let lifetime = Duration::from_secs(900);
            let token = minter.mint_wallet(lifetime);
            std::future::ready(Ok(Grant::new(token).lifetime(lifetime)))
        }))
}

async fn start(config: TorqueConfig) -> Arc<Server> {
    Arc::new(Server::start(config).await.expect("a loopback port"))
}

#[tokio::test]
async fn every_route_and_alias_gets_its_credential() {
    let server = start(TorqueConfig::default()).await;
    let torque = api(&preset(&server).build().expect("a stack"));
    let trade = json!({ "clientTradeId": "1", "pair": "ETH-USDC" });
    for (method, path, body) in [
        (Method::GET, "/capabilities", &Value::Null),
        (Method::GET, "/intelligence/feed?limit=3", &Value::Null),
        (Method::GET, "/read/portfolio", &Value::Null),
        (
            Method::POST,
            "/decide/assistant/chat",
            &json!({ "message": "hello" }),
        ),
        (
            Method::POST,
            "/assistant/chat?stream=true",
            &json!({ "message": "hello" }),
        ),
        (Method::POST, "/execute/trades", &trade),
        (
            Method::POST,
            "/actions/transfers/evm",
            &json!({ "clientTradeId": "2" }),
        ),
        (Method::GET, "/accounts/wallet", &Value::Null),
        (Method::GET, "/wallet/me", &Value::Null),
        (Method::GET, "/accounts/business", &Value::Null),
        (Method::GET, "/business/me", &Value::Null),
        (
            Method::POST,
            "/accounts/end-users",
            &json!({ "externalUserId": "u1", "email": "u1@example.com" }),
        ),
    ] {
        let call = request(&server, method.clone(), path, body);
        let (status, _, answer) = torque.clone().oneshot(call).await.expect("an answer");
        assert!(status.is_success(), "{method} {path}: {status} {answer}");
    }
    let report = server.report();
    assert_eq!(report.wrong_credential, 0);
    assert_eq!(report.status_401 + report.status_403, 0);
    assert_eq!(report.alias_requests, 4);
    assert_eq!(report.credentials[&Credential::None], 1);
    assert_eq!(report.credentials[&Credential::WalletJwt], 5);
    assert_eq!(report.credentials[&Credential::BusinessKey], 6);
    assert_eq!(report.requests, 12);
}

#[tokio::test]
async fn the_merchant_channel_and_the_portfolio_are_the_callers_choice() {
    let server = start(TorqueConfig {
        portfolio: sandbox::PortfolioCredential::BusinessKey,
        ..TorqueConfig::default()
    })
    .await;
    let stack = preset(&server).portfolio(Portfolio::BusinessKey).build();
    let torque = api(&stack.expect("a stack"));
    let mut trade = request(
        &server,
        Method::POST,
        "/execute/trades",
        &json!({ "clientTradeId": "1" }),
    );
    trade.extensions_mut().insert(Torque::as_merchant());
    for call in [trade, get(&server, "/read/portfolio")] {
        let (status, _, answer) = torque.clone().oneshot(call).await.expect("an answer");
        assert!(status.is_success(), "{status} {answer}");
    }
    let report = server.report();
    assert_eq!(report.credentials[&Credential::BusinessKey], 2);
    assert_eq!(report.wrong_credential, 0);

    // A channel is no way around the routes.
    let mut feed = get(&server, "/intelligence/feed");
    feed.extensions_mut().insert(Torque::as_merchant());
    let error = torque.oneshot(feed).await.expect_err("no such alternative");
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
}

#[tokio::test]
async fn a_cooldown_does_not_close_the_keys_window_and_a_used_up_quota_does() {
    let server = start(TorqueConfig {
        limit: 5,
        window: Duration::from_secs(1),
        cooldown: Duration::from_secs(600),
        ..TorqueConfig::default()
    })
    .await;
    let window = Window::new(Quota::rolling(5, Duration::from_secs(1)));
    let stack = preset(&server)
        .window(window.clone())
        .retry(RetryLayer::new().attempts(1));
    let torque = api(&stack.build().expect("a stack"));
    let forced = || {
        torque
            .clone()
            .oneshot(get(&server, "/intelligence/feed?force=1"))
    };

    let (status, ..) = forced().await.expect("an answer");
    assert_eq!(status, StatusCode::OK);
    let (status, _, answer) = forced().await.expect("an answer");
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer["error"]["code"], "COOLDOWN", "the body is whole");
    assert_eq!(window.snapshot().counts.throttled, 0);
    let (status, ..) = torque
        .clone()
        .oneshot(get(&server, "/intelligence/feed"))
        .await
        .expect("an answer");
    assert_eq!(status, StatusCode::OK);

    // Somebody else uses the key as well: the promise's first condition is broken, and the server's word closes the window.
    let stranger = api(&preset(&server)
        .retry(RetryLayer::new().attempts(1))
        .build()
        .expect("a stack"));
    let mut throttled = 0;
    for _ in 0..5 {
        let (status, _, answer) = stranger
            .clone()
            .oneshot(get(&server, "/intelligence/feed"))
            .await
            .expect("an answer");
        if status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer["error"]["code"], "RATE_LIMIT_EXCEEDED");
            throttled += 1;
            break;
        }
    }
    assert_eq!(throttled, 1);
    let (status, ..) = torque
        .clone()
        .oneshot(get(&server, "/intelligence/feed"))
        .await
        .expect("an answer");
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let snapshot = window.snapshot();
    assert_eq!(snapshot.counts.throttled, 1);
    assert!(
        snapshot.next_free > Duration::ZERO,
        "closed for as long as Retry-After says"
    );
}

#[tokio::test]
async fn a_missing_credential_is_named_when_it_is_needed() {
    let server = start(TorqueConfig::default()).await;
    let base: BaseUrl = server.base_url().parse().expect("a base URL");
    let torque = api(&Torque::new(base)
        .business_key(server.business_key())
        .build()
        .expect("a stack"));
    let (status, ..) = torque
        .clone()
        .oneshot(get(&server, "/intelligence/feed"))
        .await
        .expect("an answer");
    assert_eq!(status, StatusCode::OK);
    let error = torque
        .oneshot(get(&server, "/accounts/wallet"))
        .await
        .expect_err("no wallet");
    assert!(NeverLeft::find(&*error).is_some());
    let mut chain = error.to_string();
    let mut link = error.source();
    while let Some(cause) = link {
        chain = format!("{chain}: {cause}");
        link = cause.source();
    }
    assert!(chain.contains("Torque::wallet"), "{chain}");
    assert_eq!(server.report().requests, 1);
}

/// Connect's code exchange, through the stack itself, with the business key and in its window.
fn connect(server: Arc<Server>, itself: Arc<OnceLock<Api>>) -> impl Source {
    let source = source_fn(move |_| {
        let (server, torque) = (Arc::clone(&server), itself.get().expect("built").clone());
        async move {
            let verifier = "a-verifier-of-at-least-forty-three-characters-long";
            let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
            let redirect = "http://127.0.0.1/callback";
            let ask = json!({
                "redirectUri": redirect, "codeChallenge": challenge, "codeChallengeMethod": "S256", "externalUserId": "u1",
            });
            let ask = request(&server, Method::POST, "/connect/authorize/session", &ask);
            let (_, _, session) = torque
                .clone()
                .oneshot(ask)
                .await
                .map_err(SourceError::temporary)?;
            let url = session["authorizeUrl"].as_str().unwrap_or_default();
            let code = server
                .consent(url)
                .ok_or_else(|| SourceError::permanent("the user said no"))?;
            let ask = json!({ "code": code, "redirectUri": redirect, "codeVerifier": verifier });
            let ask = request(&server, Method::POST, "/connect/token", &ask);
            let (_, _, grant) = torque.oneshot(ask).await.map_err(SourceError::temporary)?;
            let token = grant["accessToken"]
                .as_str()
                .ok_or_else(|| SourceError::permanent("no token"))?;
            Ok(Grant::new(token).expires_in(grant["expiresIn"].as_u64().unwrap_or(60)))
        }
    });
    source.through(slot::BUSINESS)
}

#[tokio::test]
async fn a_third_party_trades_with_the_token_of_a_code_exchange() {
    let server = start(TorqueConfig::default()).await;
    let itself = Arc::default();
    let stack = preset(&server)
        .delegated(connect(Arc::clone(&server), Arc::clone(&itself)))
        .build()
        .expect("a stack");
    assert!(itself.set(api(&stack)).is_ok());
    let mut trade = request(
        &server,
        Method::POST,
        "/execute/trades",
        &json!({ "clientTradeId": "1" }),
    );
    trade.extensions_mut().insert(Torque::as_delegated());
    let torque = itself.get().expect("built").clone();
    let (status, _, answer) = torque.oneshot(trade).await.expect("an answer");
    assert!(status.is_success(), "{status} {answer}");

    let report = server.report();
    assert_eq!(report.wrong_credential, 0);
    assert_eq!(report.credentials[&Credential::DelegatedJwt], 1);
    assert_eq!(report.credentials[&Credential::BusinessKey], 2);
    let counted: u64 = report.keys.values().map(|key| key.counted).sum();
    assert_eq!(counted, 2, "the exchange is counted with the business key");
}
