//! A log-in with a browser that the test plays, against a real server.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth_layer::oauth::{AuthorizationCode, OAuthClient};
use auth_layer::{Auth, Slot, SourceError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use call_context::BoxError;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use url::Url;

use crate::support::{chain, client, origin, send};
use crate::token_server::{TokenServer, http, json, redirect};

const ISSUER: &str = "https://id.example.com";

/// An OAuth server that remembers the challenge of each code, and wants its verifier for it.
async fn server() -> TokenServer {
    let codes: Mutex<BTreeMap<String, (String, String)>> = Mutex::default();
    TokenServer::start(move |n, asked| {
        let mut codes = codes.lock().expect("not poisoned");
        if asked.path == "/authorize" {
            let query = &asked.query;
            assert_eq!(query["response_type"], "code");
            assert_eq!(query["code_challenge_method"], "S256");
            let code = format!("c{n}");
            let back = query["redirect_uri"].clone();
            codes.insert(
                code.clone(),
                (query["code_challenge"].clone(), back.clone()),
            );
            let to = Url::parse_with_params(
                &back,
                [
                    ("code", &*code),
                    ("state", &*query["state"]),
                    ("iss", ISSUER),
                ],
            );
            return redirect(302, to.expect("a URL").as_str());
        }
        let form = &asked.form;
        let Some((challenge, back)) = codes.remove(&form["code"]) else {
            return json(400, r#"{"error":"invalid_grant"}"#);
        };
        assert_eq!(form["grant_type"], "authorization_code");
        assert_eq!(form["redirect_uri"], back);
        let verifier = &form["code_verifier"];
        assert!((43..=128).contains(&verifier.len()));
        assert_eq!(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)), challenge);
        json(
            200,
            r#"{"access_token":"t1","token_type":"Bearer","expires_in":3600,"refresh_token":"r1"}"#,
        )
    })
    .await
}

fn log_in(server: &TokenServer) -> AuthorizationCode {
    let login = server
        .client()
        .authorization_code(&server.url("/authorize"));
    login.expect("a loopback URL").scope("read").scope("write")
}

/// Runs a log-in, and what `browser` does with the URL that is opened.
async fn with_browser<F, T>(
    login: AuthorizationCode,
    browser: impl FnOnce(Url) -> F,
) -> (Result<auth_layer::Grant, SourceError>, T)
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let mut browsing: Option<JoinHandle<T>> = None;
    let outcome = login.log_in(|url| {
        let url = Url::parse(url).expect("a URL");
        browsing = Some(tokio::spawn(browser(url)));
        Ok(())
    });
    let outcome = outcome.await;
    let browsed = browsing.expect("the browser was opened").await;
    (outcome, browsed.expect("not panicked"))
}

/// The address, path and query of a URL on this machine.
fn parts(url: &Url) -> (SocketAddr, String) {
    let address = format!(
        "{}:{}",
        url.host_str().expect("a host"),
        url.port().expect("a port")
    );
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    (address.parse().expect("a literal address"), target)
}

fn redirect_uri(url: &Url) -> Url {
    let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    Url::parse(&query["redirect_uri"]).expect("a URL")
}

fn state(url: &Url) -> String {
    let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    query["state"].clone()
}

/// Sends `bytes` and gives what comes back until the connection is closed.
async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

async fn get(address: SocketAddr, target: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: test\r\n\r\n");
    raw(address, request.as_bytes()).await
}

/// Logs in at the server, and follows where it sends the browser to.
async fn agree(url: Url) -> (SocketAddr, String) {
    let (address, target) = sent_back(url).await;
    (address, get(address, &target).await)
}

/// Logs in at the server: where that sends the browser to.
async fn sent_back(url: Url) -> (SocketAddr, String) {
    let (address, target) = parts(&url);
    let answer = get_once(address, &target).await;
    let location = answer
        .lines()
        .find_map(|line| line.strip_prefix("location: "));
    parts(&Url::parse(location.expect("a redirect")).expect("a URL"))
}

/// As `get`, from a server that keeps connections.
async fn get_once(address: SocketAddr, target: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    raw(address, request.as_bytes()).await
}

#[tokio::test]
async fn a_person_logs_in_and_the_grant_renews_itself() {
    let server = server().await;
    let login = log_in(&server).issuer(ISSUER).param("prompt", "login");
    let (grant, (address, page)) = with_browser(login, agree).await;
    let grant = grant.expect("a grant");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(
        page.contains("Content-Security-Policy: default-src 'none'"),
        "{page}"
    );
    assert!(page.contains("You can close this page"), "{page}");
    assert!(!page.contains("c1"), "nothing comes back: {page}");
    assert!(address.ip().is_loopback());
    let closed = TcpStream::connect(address).await;
    assert!(closed.is_err(), "the listener answers once");

    let asked = server.asked();
    assert_eq!(asked[0].query["scope"], "read write");
    assert_eq!(asked[0].query["prompt"], "login");
    assert_eq!(asked[0].query["client_id"], "my program");
    assert_eq!(
        asked[0].query["redirect_uri"],
        format!("http://{address}/callback")
    );
    assert!(state_is_long(&asked[0].query["state"]));

    let source = server.client().refresh_token();
    source.adopt(grant);
    let (_, _, client) = client(Slot::token("person", source).origin(origin()));
    assert_eq!(send(&client).await.expect("an answer"), "Bearer t1");
    assert_eq!(server.asked().len(), 2);
}

/// 128 bits in base64.
fn state_is_long(state: &str) -> bool {
    state.len() >= 22
}

#[tokio::test]
async fn two_log_ins_share_no_state_no_challenge_and_no_port() {
    let server = server().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let open = |url: &str| {
        let url = Url::parse(url)?;
        let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        let names = ["state", "code_challenge", "redirect_uri"];
        let mut seen = seen.lock().expect("not poisoned");
        seen.extend(names.map(|name| query[name].clone()));
        Ok(())
    };
    let login = log_in(&server).wait(Duration::from_millis(50));
    let (one, two) = tokio::join!(login.log_in(open), login.log_in(open));
    for outcome in [one, two] {
        let text = chain(&outcome.expect_err("nobody came"));
        assert!(text.contains("nobody has logged in in time"), "{text}");
        assert!(!text.contains("another log-in"), "{text}");
    }
    let mut seen = seen.lock().expect("not poisoned").clone();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 6);
}

#[tokio::test]
async fn what_is_not_the_answer_is_turned_away_and_ends_nothing() {
    let server = server().await;
    let (grant, ()) = with_browser(log_in(&server), |url| async move {
        let (address, _) = parts(&redirect_uri(&url));
        let state = state(&url);
        // Connections that a browser opens and does not use, and one that is dropped half way.
        let mut idle = Vec::new();
        for _ in 0..10 {
            idle.push(TcpStream::connect(address).await.expect("a connection"));
        }
        let mut half = TcpStream::connect(address).await.expect("a connection");
        half.write_all(b"GET /call").await.expect("sent");
        drop(half);

        let favicon = get(address, "/favicon.ico").await;
        assert!(favicon.starts_with("HTTP/1.1 404 "), "{favicon}");
        let deeper = get(address, &format!("/callback/?code=canary&state={state}")).await;
        assert!(deeper.starts_with("HTTP/1.1 404 "), "{deeper}");
        let strange = get(address, "/callback?code=canary&state=canary").await;
        assert!(strange.starts_with("HTTP/1.1 400 "), "{strange}");
        let stateless = get(address, "/callback?error=canary").await;
        assert!(stateless.starts_with("HTTP/1.1 400 "), "{stateless}");
        let post = format!("POST /callback?code=canary&state={state} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
        let post = raw(address, post.as_bytes()).await;
        assert!(post.starts_with("HTTP/1.1 405 "), "{post}");
        let rebound = format!("GET /callback?code=canary&state={state} HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        let rebound = raw(address, rebound.as_bytes()).await;
        assert!(rebound.starts_with("HTTP/1.1 400 "), "{rebound}");
        let binary = raw(address, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").await;
        assert!(binary.starts_with("HTTP/1.1 400 "), "{binary}");
        let mut flood = TcpStream::connect(address).await.expect("a connection");
        let _ = flood.write_all(&[b'a'; 64 * 1024]).await;
        let mut answer = Vec::new();
        let _ = flood.read_to_end(&mut answer).await;
        assert_eq!(answer, b"", "what has no end gets no answer");
        for page in [favicon, deeper, strange, stateless, post, rebound, binary] {
            assert!(!page.contains("canary"), "{page}");
        }

        let (_, page) = agree(url).await;
        assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
        drop(idle);
    })
    .await;
    grant.expect("a grant");
}

#[tokio::test]
async fn of_64_connections_that_say_nothing_16_stay_and_none_keeps_the_answer_back() {
    // What they say, and how many of them come before the answer.
    for (said, before) in [("", 64), ("", 30), ("GET /callback", 64)] {
        let server = server().await;
        let (grant, took) = with_browser(log_in(&server), move |url| async move {
            let (address, target) = sent_back(url).await;
            let mut idle = Vec::new();
            let open = |count| async move {
                let mut idle = Vec::new();
                for _ in 0..count {
                    let stream = TcpStream::connect(address).await;
                    let mut stream = stream.expect("a connection");
                    stream.write_all(said.as_bytes()).await.expect("sent");
                    idle.push(stream);
                }
                idle
            };
            idle.extend(open(before).await);
            if before == 64 {
                // The oldest ones are given up, in order, and the others kept.
                for stream in &mut idle[..48] {
                    let end = stream.read(&mut [0]).await;
                    assert!(end.is_err() || matches!(end, Ok(0)));
                }
                let kept = idle[48..].iter().filter(|kept| {
                    let read = kept.try_read(&mut [0]);
                    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
                });
                assert_eq!(kept.count(), 16);
            }
            let asked = Instant::now();
            let callback = tokio::spawn(async move { get(address, &target).await });
            idle.extend(open(64 - before).await);
            let page = callback.await.expect("no panic");
            assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
            drop(idle);
            asked.elapsed()
        })
        .await;
        grant.expect("a grant");
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

/// The error of a log-in that the browser answers with `query`, to which the state is added.
async fn answered(login: AuthorizationCode, query: &'static str) -> SourceError {
    let (outcome, page) = with_browser(login, move |url| async move {
        let (address, _) = parts(&redirect_uri(&url));
        get(address, &format!("/callback?{query}&state={}", state(&url))).await
    })
    .await;
    assert!(!page.contains("canary"), "{page}");
    let error = outcome.expect_err("no grant");
    let text = format!("{error:?} {}", chain(&error));
    assert!(!text.contains("canary"), "{text}");
    error
}

#[tokio::test]
async fn a_person_who_declines_and_a_server_that_cannot_are_told_apart() {
    let server = server().await;
    let declined = answered(
        log_in(&server),
        "error=access_denied&error_description=canary",
    )
    .await;
    assert!(declined.is_permanent());
    assert!(chain(&declined).contains("`access_denied`"));
    let down = answered(log_in(&server), "error=temporarily_unavailable").await;
    assert!(!down.is_permanent());
    let unknown = answered(log_in(&server), "error=%3Cscript%3Ecanary").await;
    assert!(chain(&unknown).contains("none of the standards'"));
    assert!(server.asked().is_empty(), "no code was spent");
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_not_spent() {
    let server = server().await;
    for query in [
        "code=c1&iss=https://evil.example",
        "code=c1",
        "code=c1&iss=",
        "error=x",
    ] {
        let error = answered(log_in(&server).issuer(ISSUER), query).await;
        assert!(error.is_permanent());
        assert!(chain(&error).contains("RFC 9207"), "{query}");
    }
    assert!(server.asked().is_empty(), "no code was spent");
}

#[tokio::test]
async fn a_code_that_the_server_does_not_know_is_an_error() {
    let server = server().await;
    let error = answered(log_in(&server), "code=canary").await;
    assert!(error.is_permanent() && error.is_invalid_grant());
    assert!(chain(&error).contains("`invalid_grant`"));
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_an_error_before_anybody_relies_on_it() {
    let server = TokenServer::start(|_, _| {
        json(200, r#"{"access_token":"canary\n","token_type":"Bearer"}"#)
    })
    .await;
    let error = answered(log_in(&server), "code=c1").await;
    assert!(chain(&error).contains("line break"));
}

#[tokio::test]
async fn strange_answers_are_counted_where_none_comes_in_time() {
    let server = server().await;
    let login = log_in(&server).wait(Duration::from_secs(2));
    let (outcome, ()) = with_browser(login, |url| async move {
        let (address, _) = parts(&redirect_uri(&url));
        for _ in 0..2 {
            get(address, "/callback?code=c1&state=guess").await;
        }
    })
    .await;
    let text = chain(&outcome.expect_err("nobody came"));
    assert!(text.contains("2 answers were to another log-in"), "{text}");
}

#[tokio::test]
async fn a_browser_that_does_not_open_ends_the_log_in() {
    let server = server().await;
    let login = log_in(&server);
    let outcome = login.log_in(|_| Err(BoxError::from("no display")));
    let text = chain(&outcome.await.expect_err("no grant"));
    assert!(
        text.ends_with("the browser could not be opened: no display"),
        "{text}"
    );
}

#[tokio::test]
async fn the_callback_can_be_chosen_on_this_machine_alone() {
    let server = server().await;
    let chosen = |address: &str, path: &str| {
        log_in(&server).callback(address.parse().expect("an address"), path)
    };
    for (address, path) in [
        ("0.0.0.0:0", "/callback"),
        ("192.0.2.1:8080", "/callback"),
        ("[::]:0", "/callback"),
        ("127.0.0.1:0", "callback"),
        ("127.0.0.1:0", "/a?b"),
        ("127.0.0.1:0", ""),
    ] {
        assert!(chosen(address, path).is_err(), "{address} {path}");
    }
    let login = chosen("127.0.0.1:0", "/back/here").expect("a callback");
    let (grant, _) = with_browser(login, agree).await;
    grant.expect("a grant");
    let back = &server.asked()[0].query["redirect_uri"];
    assert!(back.ends_with("/back/here"), "{back}");

    // A port that is taken is an error at once.
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let login = chosen(&address, "/callback").expect("a callback");
    let error = login.log_in(|_| unreachable!("nothing is opened")).await;
    assert!(chain(&error.expect_err("no port")).contains("choose another port"));
}

#[test]
fn only_https_or_this_machine_is_opened() {
    let oauth = OAuthClient::new("https://id.example.com/token", "id", http());
    let oauth = oauth.expect("an https URL");
    for url in [
        "http://id.example.com/authorize",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "calculator:",
        "https://id.example.com/authorize#x",
        "https://you@id.example.com/authorize",
        "-P",
        "",
    ] {
        let error = oauth.authorization_code(url).expect_err(url);
        assert!(!error.to_string().is_empty());
        assert!(error.source().is_none_or(|e| !e.to_string().is_empty()));
    }
    assert!(
        oauth
            .authorization_code("https://id.example.com/authorize?tenant=1")
            .is_ok()
    );
    let _ = Auth::builder();
}
