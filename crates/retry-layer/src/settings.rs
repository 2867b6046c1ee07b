//! What a layer has been told.

use std::sync::Arc;
use std::time::Duration;

use call_context::{Class, Origin, Routes};
use http::header::HeaderName;
use http::{Method, Request, Uri};

use crate::backoff::Backoff;
use crate::{Classify, Standard};

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) attempts: u32,
    pub(crate) backoff: Backoff,
    pub(crate) longest_retry_after: Duration,
    pub(crate) deadline: Option<Duration>,
    pub(crate) routes: Option<Arc<Routes>>,
    pub(crate) idempotent_classes: Vec<Class>,
    pub(crate) idempotency_header: HeaderName,
    pub(crate) keys_honoured_by: Vec<Origin>,
    /// Where keys are honoured; empty for everywhere.
    pub(crate) keyed_classes: Vec<Class>,
    pub(crate) refusals_trusted: Vec<Origin>,
    pub(crate) classifier: Arc<dyn Classify>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Backoff {
                base: Duration::from_millis(50),
                throttle_base: Duration::from_secs(1),
                max_delay: Duration::from_secs(20),
            },
            longest_retry_after: Duration::from_secs(60),
            deadline: None,
            routes: None,
            idempotent_classes: Vec::new(),
            idempotency_header: HeaderName::from_static("idempotency-key"),
            keys_honoured_by: Vec::new(),
            keyed_classes: Vec::new(),
            refusals_trusted: Vec::new(),
            classifier: Arc::new(Standard),
        }
    }
}

impl Settings {
    /// Whether the layer has anything to do at all.
    pub(crate) fn is_off(&self) -> bool {
        self.attempts <= 1 && self.deadline.is_none()
    }

    /// Whether `request`, of class `class`, may be repeated whatever became of the last attempt.
    pub(crate) fn is_repeatable<B>(&self, request: &Request<B>, class: Option<&Class>) -> bool {
        is_idempotent(request.method())
            || class.is_some_and(|class| self.idempotent_classes.contains(class))
            || (request.headers().contains_key(&self.idempotency_header)
                && self.honours_keys(request.uri(), class))
    }

    fn honours_keys(&self, uri: &Uri, class: Option<&Class>) -> bool {
        let on_this_route = self.keyed_classes.is_empty()
            || class.is_some_and(|class| self.keyed_classes.contains(class));
        on_this_route && is_among(&self.keys_honoured_by, uri)
    }

    /// Whether HTTP/2 refusals of the server behind `uri` are believed.
    pub(crate) fn trusts_refusals(&self, uri: &Uri) -> bool {
        is_among(&self.refusals_trusted, uri)
    }
}

/// RFC 9110, section 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    method.is_safe() || *method == Method::PUT || *method == Method::DELETE
}

fn is_among(origins: &[Origin], uri: &Uri) -> bool {
    origins.iter().any(|origin| origin.matches(uri))
}
