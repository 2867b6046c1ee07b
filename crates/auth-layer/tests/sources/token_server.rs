//! A token endpoint on this machine that a test scripts, and a client that reaches it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use auth_layer::oauth::OAuthClient;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use url::form_urlencoded;

pub(crate) type Reply = Response<Full<Bytes>>;
type Script = dyn Fn(usize, &Asked) -> Reply + Send + Sync;

/// A request that the server has seen.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) form: BTreeMap<String, String>,
    pub(crate) authorization: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) accept: Option<String>,
}

#[derive(Clone)]
pub(crate) struct TokenServer {
    origin: String,
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl TokenServer {
    /// Answers its n-th request, counted from 1, as the script says, until the test's runtime ends.
    pub(crate) async fn start<F>(script: F) -> Self
    where
        F: Fn(usize, &Asked) -> Reply + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Self {
            origin: format!("http://{}", listener.local_addr().expect("an address")),
            script: Arc::new(script),
            asked: Arc::default(),
        };
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let server = accepting.clone();
                let service = hyper::service::service_fn(move |request| {
                    let server = server.clone();
                    async move { Ok::<_, Infallible>(server.answer(request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service);
                tokio::spawn(connection);
            }
        });
        server
    }

    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let asked = Asked {
            path: parts.uri.path().to_owned(),
            query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
            form: pairs(&body),
            authorization: text(&parts.headers, AUTHORIZATION),
            content_type: text(&parts.headers, CONTENT_TYPE),
            accept: text(&parts.headers, ACCEPT),
            method: parts.method,
        };
        let n = {
            let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(asked.clone());
            all.len()
        };
        (self.script)(n, &asked)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }

    /// The program `my program`, with a secret, at this server.
    pub(crate) fn client(&self) -> OAuthClient {
        OAuthClient::new(&self.url("/token"), "my program", http())
            .expect("a loopback URL")
            .secret("s3:cr/t")
    }
}

/// Each name once.
fn pairs(text: &[u8]) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(text) {
        let earlier = pairs.insert(name.into_owned(), value.into_owned());
        assert_eq!(earlier, None, "a parameter comes twice");
    }
    pairs
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().expect("ASCII").to_owned();
    assert!(values.next().is_none(), "a header comes twice");
    Some(value)
}

pub(crate) fn http() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = StatusCode::from_u16(status).expect("a status");
    let json = "application/json;charset=UTF-8".parse().expect("a value");
    reply.headers_mut().insert(CONTENT_TYPE, json);
    reply
}

/// A good answer with the tokens `t{n}` and, where asked for, `r{n}`.
pub(crate) fn token(n: usize, refresh: bool) -> Reply {
    let refresh = match refresh {
        true => format!(r#","refresh_token":"r{n}""#),
        false => String::new(),
    };
    let body =
        format!(r#"{{"access_token":"t{n}","token_type":"Bearer","expires_in":3600{refresh}}}"#);
    json(200, body)
}

pub(crate) fn redirect(status: u16, to: &str) -> Reply {
    let mut reply = json(status, "");
    let to = to.parse().expect("a value");
    reply.headers_mut().insert(LOCATION, to);
    reply
}

pub(crate) fn come_again(mut reply: Reply, after: &str) -> Reply {
    let after = after.parse().expect("a value");
    reply.headers_mut().insert(RETRY_AFTER, after);
    reply
}
