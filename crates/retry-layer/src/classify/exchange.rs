//! One attempt and its outcome.

use std::error::Error;
use std::fmt;

use call_context::{BodyPrefix, Class};
use http::{Extensions, HeaderMap, Method, Response, StatusCode, Uri};

/// What is known of a request. Borrowed: nothing is copied for a classifier.
///
/// ```
/// use http::{Method, Response, Uri};
/// use retry_layer::{Classify, Exchange, Facts, StatusClassifier, Verdict};
///
/// let uri = Uri::from_static("https://api.example.com/orders");
/// let facts = Facts::new(&Method::POST, &uri).attempt(2).keyed(true);
/// let answer = Response::builder().status(502).body(())?;
/// assert_eq!(StatusClassifier.classify(&Exchange::answered(facts, &answer)), Verdict::TRANSIENT);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    method: &'a Method,
    uri: &'a Uri,
    class: Option<&'a Class>,
    attempt: u32,
    keyed: bool,
}

impl<'a> Facts<'a> {
    /// The first attempt at a request without a class and without a key.
    pub fn new(method: &'a Method, uri: &'a Uri) -> Self {
        Self {
            method,
            uri,
            class: None,
            attempt: 1,
            keyed: false,
        }
    }

    /// Names the request's class.
    #[must_use]
    pub fn class(self, class: Option<&'a Class>) -> Self {
        Self { class, ..self }
    }

    /// Says which attempt it was, counted from 1.
    #[must_use]
    pub fn attempt(self, attempt: u32) -> Self {
        Self { attempt, ..self }
    }

    /// Says whether the request carries an idempotency key that the server honours.
    #[must_use]
    pub fn keyed(self, keyed: bool) -> Self {
        Self { keyed, ..self }
    }
}

/// One attempt and its outcome, as a classifier sees them. Borrowed, and free of bodies.
///
/// The first bytes of an error body are [at hand](Self::body_prefix) where a layer below has peeked at them.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    facts: Facts<'a>,
    outcome: Outcome<'a>,
}

#[derive(Clone, Copy)]
enum Outcome<'a> {
    Answered {
        status: StatusCode,
        headers: &'a HeaderMap,
        extensions: &'a Extensions,
    },
    Failed(&'a (dyn Error + 'static)),
}

impl<'a> Exchange<'a> {
    /// An attempt that was answered with `response`.
    pub fn answered<R>(facts: Facts<'a>, response: &'a Response<R>) -> Self {
        let outcome = Outcome::Answered {
            status: response.status(),
            headers: response.headers(),
            extensions: response.extensions(),
        };
        Self { facts, outcome }
    }

    /// An attempt that failed with `error`.
    pub fn failed(facts: Facts<'a>, error: &'a (dyn Error + 'static)) -> Self {
        let outcome = Outcome::Failed(error);
        Self { facts, outcome }
    }

    /// The request's method.
    pub fn method(&self) -> &'a Method {
        self.facts.method
    }

    /// Where the request went. Its query may hold a secret.
    pub fn uri(&self) -> &'a Uri {
        self.facts.uri
    }

    /// The request's class, where routes are known.
    pub fn class(&self) -> Option<&'a Class> {
        self.facts.class
    }

    /// Which attempt this was, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.facts.attempt
    }

    /// Whether the request carries an idempotency key, to an origin and on a route where keys are honoured.
    pub fn is_keyed(&self) -> bool {
        self.facts.keyed
    }

    /// The response's status; `None` where there was an error instead.
    pub fn status(&self) -> Option<StatusCode> {
        match self.outcome {
            Outcome::Answered { status, .. } => Some(status),
            Outcome::Failed(_) => None,
        }
    }

    /// The response's headers; `None` where there was an error instead.
    pub fn headers(&self) -> Option<&'a HeaderMap> {
        match self.outcome {
            Outcome::Answered { headers, .. } => Some(headers),
            Outcome::Failed(_) => None,
        }
    }

    /// The response's extensions; `None` where there was an error instead.
    pub fn extensions(&self) -> Option<&'a Extensions> {
        match self.outcome {
            Outcome::Answered { extensions, .. } => Some(extensions),
            Outcome::Failed(_) => None,
        }
    }

    /// The first bytes of the response's body, where a layer below has peeked at them: see [`BodyPrefix`].
    ///
    /// The layer that peeks is `tollgate::PeekLayer`, part of each `tollgate::Stack`. It reads 429 and 403 unless told otherwise;
    /// without it, and for all other statuses, this is `None`.
    ///
    /// May end anywhere, and may hold secrets.
    pub fn body_prefix(&self) -> Option<&'a [u8]> {
        let prefix = self.extensions()?.get::<BodyPrefix>()?;
        Some(prefix.as_bytes())
    }

    /// The error; `None` where there was a response.
    pub fn error(&self) -> Option<&'a (dyn Error + 'static)> {
        match self.outcome {
            Outcome::Answered { .. } => None,
            Outcome::Failed(error) => Some(error),
        }
    }
}

// No path, no query, no headers and no error text: all may hold what must not be printed.
impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("method", self.method)
            .field("class", &self.class)
            .field("attempt", &self.attempt)
            .field("keyed", &self.keyed)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("facts", &self.facts)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn an_exchange_tells_all_facts_and_prints_no_secret() {
        let uri = Uri::from_static("https://api.example.com/canary?canary");
        let class = Class::from("execute");
        let facts = Facts::new(&Method::POST, &uri)
            .class(Some(&class))
            .attempt(2)
            .keyed(true);
        let mut response = Response::new(());
        let prefix = BodyPrefix::new(Bytes::from_static(b"canary"));
        response.extensions_mut().insert(prefix);
        let header = "canary".parse().expect("a value");
        response.headers_mut().insert("x-key", header);
        let exchange = Exchange::answered(facts, &response);
        assert_eq!(exchange.method(), Method::POST);
        assert_eq!(exchange.uri(), &uri);
        assert_eq!(exchange.class(), Some(&class));
        assert_eq!(exchange.attempt(), 2);
        assert!(exchange.is_keyed());
        assert_eq!(exchange.body_prefix(), Some(&b"canary"[..]));
        assert!(!format!("{exchange:?}").contains("canary"));

        let error = std::io::Error::other("canary");
        let exchange = Exchange::failed(Facts::new(&Method::GET, &uri), &error);
        assert!(!exchange.is_keyed() && exchange.attempt() == 1);
        assert!(exchange.error().is_some() && exchange.body_prefix().is_none());
        assert!(!format!("{exchange:?}").contains("canary"));
    }
}
