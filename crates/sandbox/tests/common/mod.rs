//! A plain HTTP client, and little else.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as Legacy, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::time::timeout;

/// An answer that takes so long never comes.
const FOR_EVER: Duration = Duration::from_secs(20);

/// What came back, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The error code of either system's envelope.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .into()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A client that repeats nothing by itself.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: Legacy<HttpConnector, Full<Bytes>>,
    base: String,
}

impl Client {
    pub(crate) fn new(base: impl Into<String>) -> Self {
        Self {
            http: Legacy::builder(TokioExecutor::new())
                .retry_canceled_requests(false)
                .build_http(),
            base: base.into(),
        }
    }

    pub(crate) fn http2(base: impl Into<String>) -> Self {
        Self {
            http: Legacy::builder(TokioExecutor::new())
                .http2_only(true)
                .build_http(),
            base: base.into(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    fn call(&self, method: Method, path: &str) -> Call {
        let uri = if path.starts_with("http") {
            path.into()
        } else {
            format!("{}{path}", self.base)
        };
        Call {
            client: self.clone(),
            request: Request::builder().method(method).uri(uri),
            body: Bytes::new(),
        }
    }
}

pub(crate) struct Call {
    client: Client,
    request: http::request::Builder,
    body: Bytes,
}

impl Call {
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn json(mut self, body: Value) -> Self {
        self.body = body.to_string().into();
        self.header("content-type", "application/json")
    }

    /// Sends it and reads the answer to its end; an error if either breaks off.
    pub(crate) async fn try_send(self) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        let request = self.request.body(Full::new(self.body))?;
        let (parts, body) = timeout(FOR_EVER, self.client.http.request(request))
            .await??
            .into_parts();
        let text = body.collect().await?.to_bytes();
        Ok(Reply {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(text.into())?,
        })
    }

    pub(crate) async fn send(self) -> Reply {
        self.try_send().await.expect("an answer")
    }
}
