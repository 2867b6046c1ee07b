//! reqwest as a Tower service, against real sockets.

mod support;

use std::time::Duration;

use bytes::Bytes;
use call_context::{BoxError, NeverLeft, Refusal};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use reqwest_layer::{Reqwest, UrlError, UrlPart};
use support::{Server, answer, builder, chain, dead_address, find, refusing_server};
use tower::ServiceExt;

fn client() -> Reqwest {
    Reqwest::new(builder()).expect("a client")
}

fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).expect("a request")
}

async fn send(request: Request<Full<Bytes>>) -> Result<Response<reqwest::Body>, BoxError> {
    client().oneshot(request).await
}

#[tokio::test]
async fn path_and_query_go_on_the_wire_byte_for_byte() {
    let server = Server::hello().await;
    let targets = [
        "/",
        "/a;b=c/d@e:f!$&()*+,=",
        "/a//b/%2F%5c%65?x=%2e%2e/../y&z=//&empty=&",
        "/caf%C3%A9/~a?",
        "/a?q=%27a%27+b%20c",
    ];
    for target in targets {
        let response = send(get(&server.url(target))).await.expect(target);
        assert_eq!(response.status(), StatusCode::OK);
    }
    let lines: Vec<_> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(
        lines,
        targets.map(|target| format!("GET {target} HTTP/1.1"))
    );
}

#[tokio::test]
async fn a_url_that_reqwest_would_rewrite_never_leaves() {
    let server = Server::hello().await;
    for (target, part) in [
        ("/read/%2e%2e/execute", UrlPart::Path),
        ("/read/../execute", UrlPart::Path),
        ("/read/{id}", UrlPart::Path),
        ("/read?name='canary'", UrlPart::Query),
    ] {
        let error = send(get(&server.url(target))).await.expect_err(target);
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
        let refused = error.downcast_ref::<UrlError>().expect("a UrlError");
        assert_eq!(refused.part(), part);
        let text = chain(&*error);
        for word in ["127.0.0.1", "execute", "canary"] {
            assert!(part == UrlPart::Host || !text.contains(word), "{text}");
        }
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let server = Server::start(|_, _| Some(answer(307, "location: /elsewhere\r\n", ""))).await;
    let response = send(get(&server.url("/"))).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_response_keeps_its_url_and_address() {
    let server = Server::start(|_, _| Some(answer(201, "x-a: b\r\n", "hello"))).await;
    let url = server.url("/a/b?c=d");
    let response = send(get(&url)).await.expect("an answer");
    let response = reqwest::Response::from(response);
    assert_eq!(response.url().as_str(), url);
    assert_eq!(response.remote_addr(), Some(server.address()));
    assert_eq!(response.version(), http::Version::HTTP_11);
    assert_eq!(response.headers()["x-a"], "b");
    assert_eq!(response.content_length(), Some(5));
    assert_eq!(response.text().await.expect("a body"), "hello");
}

#[tokio::test]
async fn a_timeout_that_the_request_was_given_survives() {
    let server = Server::start(|_, _| None).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}/", silent.local_addr().expect("an address"));
    let mut request = reqwest::Request::new(http::Method::GET, url.parse().expect("a URL"));
    *request.timeout_mut() = Some(Duration::from_millis(20));
    let request: Request<reqwest::Body> = request.try_into().expect("converts");

    let error = client().oneshot(request).await.expect_err("a timeout");
    assert!(
        find::<reqwest::Error>(&*error)
            .expect("reqwest's")
            .is_timeout()
    );
    assert_eq!(NeverLeft::find(&*error), None);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_proves_that_the_call_never_left() {
    let url = format!("http://{}/?canary", dead_address());
    let error = send(get(&url)).await.expect_err("nobody listens");
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Transient));
    assert!(
        error
            .downcast_ref::<reqwest::Error>()
            .expect("reqwest's")
            .is_connect()
    );
    assert!(!chain(&*error).contains("canary"), "{}", chain(&*error));
}

#[tokio::test]
async fn what_reqwest_refuses_itself_never_left() {
    let server = Server::hello().await;
    let client = Reqwest::new(builder().https_only(true)).expect("a client");
    let error = client
        .oneshot(get(&server.url("/")))
        .await
        .expect_err("plain http");
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_connection_closed_after_the_request_proves_nothing() {
    let server = Server::start(|_, _| None).await;
    let error = send(get(&server.url("/"))).await.expect_err("no answer");
    assert_eq!(NeverLeft::find(&*error), None);
    assert_eq!(server.seen().len(), 1);
}

/// A body that may be sent, but not shared.
fn stream(frames: Vec<Result<&'static str, BoxError>>) -> UnsyncBoxBody<Bytes, BoxError> {
    let frames = frames
        .into_iter()
        .map(|frame| frame.map(|data| http_body::Frame::data(Bytes::from(data))));
    StreamBody::new(Iter(frames.collect::<Vec<_>>().into_iter())).boxed_unsync()
}

struct Iter<I>(I);

impl<I: Iterator + Unpin> futures_util::Stream for Iter<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

#[tokio::test]
async fn a_body_of_known_length_keeps_it_and_a_stream_is_chunked() {
    let server = Server::hello().await;
    let full = Request::post(server.url("/")).body(Full::<Bytes>::from("twelve bytes"));
    client()
        .oneshot(full.expect("a request"))
        .await
        .expect("an answer");
    let text = Request::post(server.url("/")).body(String::from("a string"));
    client()
        .oneshot(text.expect("a request"))
        .await
        .expect("an answer");
    let streamed = Request::post(server.url("/")).body(stream(vec![Ok("in "), Ok("parts")]));
    client()
        .oneshot(streamed.expect("a request"))
        .await
        .expect("an answer");

    let seen = server.seen();
    assert_eq!(seen[0].header("content-length"), Some("12"));
    assert_eq!(seen[0].body, b"twelve bytes");
    assert_eq!(seen[1].header("content-length"), Some("8"));
    assert_eq!(seen[1].body, b"a string");
    assert_eq!(seen[2].header("transfer-encoding"), Some("chunked"));
    assert_eq!(seen[2].body, b"in parts");
}

#[tokio::test]
async fn what_a_failing_body_carries_is_not_believed() {
    let dead = send(get(&format!("http://{}/", dead_address()))).await;
    let dead = dead.expect_err("nobody listens");
    assert!(NeverLeft::find(&*dead).is_some());

    let server = Server::hello().await;
    let body = stream(vec![Ok("half"), Err(dead)]);
    let request = Request::post(server.url("/"))
        .body(body)
        .expect("a request");
    let error = client().oneshot(request).await.expect_err("the body fails");
    assert_eq!(NeverLeft::find(&*error), None, "{}", chain(&*error));
}

#[tokio::test]
async fn a_post_that_http2_refuses_is_seen_once() {
    let (address, counted) = refusing_server().await;
    let client = Reqwest::new(builder().http2_prior_knowledge()).expect("a client");
    let request = Request::post(format!("http://{address}/")).body(Full::<Bytes>::from("once"));
    let error = client
        .oneshot(request.expect("a request"))
        .await
        .expect_err("refused");
    assert_eq!(NeverLeft::find(&*error), None);
    assert_eq!(
        call_context::Unprocessed::judge(&*error),
        Some(call_context::Unprocessed::RefusedStream)
    );
    assert_eq!(*counted.borrow(), 1);
}

#[tokio::test]
async fn over_http2_host_says_what_the_authority_says() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = async {
        let (socket, _) = listener.accept().await.expect("a connection");
        let mut connection = h2::server::handshake(socket).await.expect("a handshake");
        let (request, mut respond) = connection.accept().await.expect("open").expect("a request");
        respond
            .send_response(Response::new(()), true)
            .expect("open");
        // Only a connection that is driven sends.
        tokio::spawn(async move { connection.accept().await.is_none() });
        request
    };
    let mut forged = http::HeaderMap::new();
    forged.insert("host", "evil.example".parse().expect("a value"));
    let client = Reqwest::new(builder().http2_prior_knowledge().default_headers(forged));
    let url = format!("http://{address}/");
    let answer = client.expect("a client").oneshot(get(&url));
    let (request, answer) = tokio::join!(server, answer);
    assert_eq!(answer.expect("an answer").status(), 200);
    assert_eq!(request.uri().authority().expect("one").as_str(), address);
    assert_eq!(request.headers()["host"], address);
}
