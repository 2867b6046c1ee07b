//! One request, read whole.

use std::collections::HashMap;

use axum::{body::Body, extract::Query};
use bytes::Bytes;
use http::{HeaderMap, Request, Uri, header::AUTHORIZATION};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

/// Bodies above a megabyte are refused.
const LONGEST_BODY: usize = 1 << 20;

pub(crate) struct Call {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) query: HashMap<String, String>,
    /// The body as JSON; `Null` if it is empty or is none.
    pub(crate) json: Value,
}

impl Call {
    /// Reads the request to its end; `None` if it breaks off or is too long.
    pub(crate) async fn read(request: Request<Body>) -> Option<Self> {
        let (parts, body) = request.into_parts();
        let body: Bytes = Limited::new(body, LONGEST_BODY)
            .collect()
            .await
            .ok()?
            .to_bytes();
        Some(Self {
            query: Query::try_from_uri(&parts.uri)
                .map_or_else(|_| HashMap::new(), |Query(query)| query),
            uri: parts.uri,
            headers: parts.headers,
            json: serde_json::from_slice(&body).unwrap_or_default(),
        })
    }

    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// A string or number of the JSON body, as text.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        match self.json.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How many headers try to authenticate.
    pub(crate) fn credentials(&self) -> usize {
        self.headers.get_all(AUTHORIZATION).iter().count()
            + self.headers.get_all("x-api-key").iter().count()
    }

    /// The token after `Bearer `.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }
}
