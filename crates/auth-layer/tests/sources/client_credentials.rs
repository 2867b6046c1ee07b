//! Client credentials, against a real server.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use auth_layer::oauth::{OAuthClient, OAuthError};
use auth_layer::{Auth, CallersOwn, Reason, Slot, Source};
use bytes::Bytes;
use call_context::{BoxError, Route, Routes};
use futures_util::future::join_all;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Client, SECOND, chain, client, origin, refused, send};
use crate::token_server::{Reply, TokenServer, come_again, http, json, redirect, token};

const GOOD: &str = r#"{"access_token":"t1","token_type":"Bearer","expires_in":3600}"#;

fn slot(source: impl Source) -> Slot {
    Slot::token("api", source)
        .origin(origin())
        .backoff(SECOND / 100, SECOND / 100)
}

/// What a request gets, and whether the source has refused for good, where the server's every answer is `reply`.
async fn outcome(
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> Result<String, (bool, String)> {
    let server = TokenServer::start(move |_, _| reply()).await;
    let source = server.client().client_credentials();
    let slot = slot(source)
        .backoff(SECOND * 20, SECOND * 20)
        .wait(SECOND * 10);
    outcome_of(client(slot)).await
}

async fn outcome_of<T>((_, _, client): (Auth, T, Client)) -> Result<String, (bool, String)> {
    send(&client).await.map_err(|error| {
        let reason = refused(&error).reason();
        assert!(
            matches!(reason, Reason::Refused | Reason::BackingOff),
            "{reason:?}"
        );
        (reason == Reason::Refused, chain(&*error))
    })
}

#[tokio::test]
async fn a_token_request_says_who_asks_for_what_and_is_made_once_for_all() {
    let server = TokenServer::start(|n, _| token(n, true)).await;
    let source = server
        .client()
        .client_credentials()
        .scope("read")
        .scope("write")
        .param("audience", "https://api.example.com/?a=b&c");
    let (auth, _, client) = client(slot(source));
    let sent = join_all((0..50).map(|_| send(&client))).await;
    for sent in sent {
        assert_eq!(sent.expect("an answer"), "Bearer t1");
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].method, Method::POST);
    assert_eq!(asked[0].path, "/token");
    assert!(asked[0].query.is_empty());
    let form: Vec<_> = asked[0].form.iter().map(|(n, v)| (&**n, &**v)).collect();
    assert_eq!(
        form,
        [
            ("audience", "https://api.example.com/?a=b&c"),
            ("grant_type", "client_credentials"),
            ("scope", "read write"),
        ]
    );
    // `my program:s3:cr/t`, each half encoded as a form is.
    assert_eq!(
        asked[0].authorization.as_deref(),
        Some("Basic bXkrcHJvZ3JhbTpzMyUzQWNyJTJGdA==")
    );
    assert_eq!(
        asked[0].content_type.as_deref(),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(asked[0].accept.as_deref(), Some("application/json"));

    // The refresh token that came along is not spent.
    auth.token("api").expect("a token slot").invalidate();
    assert_eq!(send(&client).await.expect("an answer"), "Bearer t2");
    assert_eq!(server.asked()[1].form["grant_type"], "client_credentials");
}

#[tokio::test]
async fn id_and_secret_go_into_the_body_where_that_is_asked_for() {
    let server = TokenServer::start(|n, _| token(n, false)).await;
    let named = OAuthClient::new(&server.url("/token"), "public", http()).expect("a loopback URL");
    let in_body = server.client().secret_in_body();
    for source in [in_body.client_credentials(), named.client_credentials()] {
        let (_, _, client) = client(slot(source));
        send(&client).await.expect("an answer");
    }
    let asked = server.asked();
    assert!(asked.iter().all(|asked| asked.authorization.is_none()));
    assert_eq!(asked[0].form["client_id"], "my program");
    assert_eq!(asked[0].form["client_secret"], "s3:cr/t");
    assert_eq!(asked[1].form["client_id"], "public");
    assert!(!asked[1].form.contains_key("client_secret"));
}

#[tokio::test]
async fn every_lifetime_that_can_be_read_or_left_out_gives_a_token() {
    for expires_in in [
        "",
        r#","expires_in":1"#,
        r#","expires_in":"3600""#,
        r#","expires_in":"soon""#,
        r#","expires_in":null"#,
        r#","expires_in":-1"#,
        r#","expires_in":99999999999999999999"#,
        r#","expires_in":1e30"#,
        r#","expires_in":1e400"#,
        r#","expires_in":-1e400"#,
        r#","expires_in":"NaN""#,
        r#","expires_in":3600,"ext_expires_in":1e400"#,
        r#","expires_in":315360000"#,
    ] {
        for bearer in ["Bearer", "bearer", "BEARER"] {
            let body = format!(r#"{{"access_token":"t1","token_type":"{bearer}"{expires_in}}}"#);
            let sent = outcome(move || json(200, body.clone())).await;
            assert_eq!(sent, Ok("Bearer t1".into()), "{expires_in}");
        }
    }
    let zero = r#"{"access_token":"t1","token_type":"Bearer","expires_in":0}"#;
    let (permanent, text) = outcome(move || json(200, zero)).await.expect_err("ended");
    assert!(!permanent && text.contains("already expired"), "{text}");
}

#[tokio::test]
async fn what_is_no_token_response_is_none_and_is_not_quoted() {
    let large = format!(
        r#"{{"access_token":"t1","token_type":"Bearer","x":"{}"}}"#,
        "canary".repeat(50_000)
    );
    for (status, body, permanent, says) in [
        (201, GOOD, false, "neither with success"),
        (204, "", false, "neither with success"),
        (
            200,
            r#"{"error":"invalid_client","error_description":"canary"}"#,
            true,
            "`invalid_client`",
        ),
        (
            200,
            r#"{"error":"temporarily_unavailable"}"#,
            false,
            "`temporarily_unavailable`",
        ),
        (
            200,
            r#"{"error":"canary"}"#,
            false,
            "none of the standards'",
        ),
        (
            200,
            r#"{"error":"x","access_token":"canary","token_type":"Bearer"}"#,
            false,
            "none of the standards'",
        ),
        (
            200,
            r#"{"error":{"code":1},"access_token":"canary","token_type":"Bearer"}"#,
            false,
            "none of the standards'",
        ),
        (
            200,
            r#"{"access_token":"canary","token_type":"DPoP"}"#,
            true,
            "another type than Bearer",
        ),
        (
            200,
            r#"{"access_token":"canary","token_type":""}"#,
            true,
            "another type than Bearer",
        ),
        (
            200,
            r#"["canary","Bearer",3600,"canary"]"#,
            false,
            "no token response",
        ),
        (
            200,
            r#"{"access_token":"canary"}"#,
            false,
            "no token response",
        ),
        (
            200,
            r#"{"access_token":"canary","token_type":1}"#,
            false,
            "no token response",
        ),
        (
            200,
            r#"{"access_token":["canary"],"token_type":"Bearer"}"#,
            false,
            "no token response",
        ),
        (
            200,
            r#"{"access_token":"a","access_token":"canary","token_type":"Bearer"}"#,
            false,
            "no token response",
        ),
        (
            200,
            r#"{"access_token":"canary\n","token_type":"Bearer"}"#,
            false,
            "line break",
        ),
        (
            200,
            r#"{"access_token":"canary x","token_type":"Bearer"}"#,
            false,
            "whitespace",
        ),
        (
            200,
            r#"{"access_token":"","token_type":"Bearer"}"#,
            false,
            "the secret is empty",
        ),
        (200, "<html>canary</html>", false, "no token response"),
        (200, "canary", false, "no token response"),
        (200, "", false, "no token response"),
        (200, "[]", false, "no token response"),
        (200, "null", false, "no token response"),
        (200, &large, false, "too large"),
    ] {
        let answer = body.to_owned();
        let (refused, text) = outcome(move || json(status, answer.clone()))
            .await
            .expect_err(body);
        assert!(text.contains(says), "{body:.80}: {text}");
        assert!(text.contains("credential slot `api`"), "{text}");
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(refused, permanent, "{body:.80}: {text}");
    }
    let nested = "[".repeat(10_000);
    let (_, text) = outcome(move || json(200, nested.clone()))
        .await
        .expect_err("nested");
    assert!(text.contains("no token response"), "{text}");
    let html = || {
        let mut reply = json(200, GOOD);
        let html = "text/html; canary".parse().expect("a value");
        reply.headers_mut().insert(CONTENT_TYPE, html);
        reply
    };
    let (_, text) = outcome(html).await.expect_err("html");
    assert!(
        text.contains("no token response") && !text.contains("canary"),
        "{text}"
    );
}

#[tokio::test]
async fn a_refusal_is_for_good_where_the_same_request_would_be_refused_again() {
    for (status, code, permanent) in [
        (400, "invalid_grant", true),
        (401, "invalid_client", true),
        (400, "unauthorized_client", true),
        (403, "access_denied", true),
        (400, "invalid_scope", true),
        (400, "unsupported_grant_type", true),
        (400, "temporarily_unavailable", false),
        (400, "slow_down", false),
        (400, "canary", false),
        (429, "invalid_client", false),
        (500, "invalid_grant", false),
        (503, "server_error", false),
    ] {
        let body = format!(r#"{{"error":"{code}","error_description":"canary"}}"#);
        let (refused, text) = outcome(move || json(status, body.clone()))
            .await
            .expect_err(code);
        assert_eq!(refused, permanent, "{text}");
        assert_eq!(
            text.contains(&format!("`{code}`")),
            code != "canary",
            "{text}"
        );
        assert!(text.contains(&format!("(status {status})")), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
    for (status, body) in [
        (401, ""),
        (403, "<html>"),
        (404, "canary"),
        (502, "{}"),
        (400, "[]"),
    ] {
        let (refused, text) = outcome(move || json(status, body))
            .await
            .expect_err("an error");
        assert!(!refused && text.contains("check its URL"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn a_refusal_for_good_is_found_with_its_code() {
    let server = TokenServer::start(|_, _| json(401, r#"{"error":"invalid_client"}"#)).await;
    let (_, _, client) = client(slot(server.client().client_credentials()));
    for _ in 0..3 {
        let error = send(&client).await.expect_err("a refusal");
        let links = std::iter::successors(Some(&*error as &dyn std::error::Error), |e| e.source());
        let found: Vec<_> = links
            .filter_map(|e| e.downcast_ref::<OAuthError>())
            .collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].code(), Some("invalid_client"));
        assert_eq!(found[0].status().map(|status| status.as_u16()), Some(401));
    }
    assert_eq!(server.asked().len(), 1, "it is not asked again");
}

#[tokio::test]
async fn a_redirect_is_an_error_and_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let other = TokenServer::start(|n, _| token(n, false)).await;
        let to = other.url("/token?canary");
        let (permanent, text) = outcome(move || redirect(status, &to))
            .await
            .expect_err("an error");
        assert!(
            text.contains("redirects") && !text.contains("canary"),
            "{text}"
        );
        assert!(!permanent);
        assert!(other.asked().is_empty());
    }
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_asked_again_when_it_says() {
    let server = TokenServer::start(|n, _| match n {
        1 => come_again(json(503, ""), "100"),
        n => token(n, false),
    })
    .await;
    let (auth, _, client) = client(slot(server.client().client_credentials()).wait(SECOND * 20));
    for _ in 0..3 {
        let error = send(&client).await.expect_err("a refusal");
        assert_eq!(refused(&error).reason(), Reason::BackingOff);
    }
    assert_eq!(server.asked().len(), 1);
    auth.token("api").expect("a token slot").changed();
    assert_eq!(send(&client).await.expect("an answer"), "Bearer t2");
}

#[tokio::test]
async fn no_connection_and_a_broken_answer_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = socket.read(&mut head).await;
            let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access_token\":\"canary";
            let _ = socket.write_all(half.as_bytes()).await;
        }
    });
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = gone.local_addr().expect("an address");
    drop(gone);
    for (address, says) in [(address, "broke off"), (nobody, "did not answer")] {
        let url = format!("http://{address}/token");
        let oauth = OAuthClient::new(&url, "id", http()).expect("a loopback URL");
        let slot = slot(oauth.client_credentials())
            .backoff(SECOND * 20, SECOND * 20)
            .wait(SECOND * 10);
        let (permanent, text) = outcome_of(client(slot)).await.expect_err("an error");
        assert!(!permanent && text.contains(says), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn any_client_will_do_whose_body_can_be_made_of_bytes_also_one_that_is_seldom_ready() {
    let ready = Arc::new(AtomicU32::new(0));
    let service = service_fn(|request: Request<Vec<u8>>| async move {
        assert!(request.headers()["authorization"].is_sensitive());
        assert!(request.body().starts_with(b"grant_type="));
        Ok::<_, BoxError>(Response::new(Full::new(Bytes::from(GOOD))))
    });
    let seldom = Seldom {
        inner: service,
        ready: Arc::clone(&ready),
    };
    let oauth = OAuthClient::new("https://id.example.com/token", "id", seldom)
        .expect("an https URL")
        .secret("s");
    let (_, _, client) = client(slot(oauth.client_credentials()));
    assert_eq!(send(&client).await.expect("an answer"), "Bearer t1");
    assert_eq!(ready.load(Ordering::SeqCst), 3);
}

/// Ready at the third poll; panics where it is called sooner.
#[derive(Clone)]
struct Seldom<S> {
    inner: S,
    ready: Arc<AtomicU32>,
}

impl<S: tower::Service<R>, R> tower::Service<R> for Seldom<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        if self.ready.fetch_add(1, Ordering::SeqCst) < 2 {
            cx.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        assert!(self.ready.load(Ordering::SeqCst) >= 3, "not ready");
        self.inner.call(request)
    }
}

#[test]
fn a_source_through_its_own_slot_is_a_mistake_of_building() {
    let source = || {
        let client = OAuthClient::new("https://id.example.com/token", "id", http());
        client.expect("an https URL")
    };
    let itself = slot(source().through("api").client_credentials());
    let error = Auth::single(itself).expect_err("a mistake");
    assert!(error.to_string().contains("api"), "{error}");
    let itself = slot(source().through("api").refresh_token());
    assert!(Auth::single(itself).is_err());
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_given_up_with_the_fetch() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!(
        "http://{}/token",
        listener.local_addr().expect("an address")
    );
    let oauth = OAuthClient::new(&url, "id", http()).expect("a loopback URL");
    let slot = slot(oauth.client_credentials())
        .fetch_timeout(Duration::from_millis(100))
        .backoff(SECOND * 20, SECOND * 20)
        .wait(SECOND * 10);
    let (permanent, text) = outcome_of(client(slot)).await.expect_err("an error");
    assert!(
        !permanent && text.contains("did not answer in time"),
        "{text}"
    );
    drop(listener);
}

/// The whole stack, as its own token endpoint's client.
type Stack = BoxCloneSyncService<Request<Full<Bytes>>, Response<Incoming>, BoxError>;

#[tokio::test]
async fn token_requests_may_go_through_the_stack_itself_under_another_slot() {
    let server = TokenServer::start(|n, asked| match asked.path.as_str() {
        "/token" => token(n, false),
        _ => json(200, asked.authorization.clone().unwrap_or_default()),
    })
    .await;
    let stack: Arc<OnceLock<Stack>> = Arc::default();
    let own = Arc::clone(&stack);
    let through = service_fn(move |request: Request<Full<Bytes>>| {
        let stack = own.get().expect("it is in place").clone();
        stack.oneshot(request)
    });
    let oauth = OAuthClient::new(&server.url("/token"), "id", through);
    let oauth = oauth.expect("a loopback URL").secret("s").through("login");
    let routes = Routes::new([
        Route::new(Method::POST, "/token", "login"),
        Route::new(Method::GET, "/orders", "orders"),
    ]);
    let auth = Auth::builder()
        .origin(server.url("").parse().expect("an origin"))
        .slot(Slot::none("login").callers_own(CallersOwn::Keep))
        .slot(Slot::token("api", oauth.client_credentials()))
        .routes(Arc::new(routes.expect("routes")))
        .class("login", "login")
        .class("orders", "api")
        .build()
        .expect("a table");
    let client = Stack::new(auth.layer().layer(http()));
    assert!(stack.set(client.clone()).is_ok());

    let request = Request::get(server.url("/orders")).body(Full::default());
    let response = client.oneshot(request.expect("a request")).await;
    let body = response.expect("an answer").into_body().collect().await;
    assert_eq!(body.expect("a body").to_bytes(), "Bearer t1");
    assert_eq!(
        server.asked()[0].authorization.as_deref(),
        Some("Basic aWQ6cw==")
    );
}
