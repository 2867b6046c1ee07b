//! The client, and what is known of each call below the layer under test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Notify;
use tollgate::context::BoxError;
use tollgate::rate::Limit;
use tollgate::{RateLayer, Window};
use tower::util::BoxCloneSyncService;
use tower::{Layer, service_fn};

/// What the callers call.
pub type Client = BoxCloneSyncService<Request<Full<Bytes>>, Response<Incoming>, BoxError>;

/// Counts what passes below the rate layer.
#[derive(Debug, Default)]
pub struct Wire {
    departed: AtomicU64,
    answered: AtomicU64,
}

impl Wire {
    /// Calls that the layer has handed to the client below.
    #[must_use]
    pub fn departed(&self) -> u64 {
        self.departed.load(Ordering::Relaxed)
    }

    /// Calls for which the layer was handed headers.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits for its place.
    Waits,
    /// It is on its way.
    InFlight,
    /// Its headers are there, and its body streams.
    InBody,
}

/// Follows one call from outside: it travels in the request's extensions.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Progress>);

#[derive(Debug, Default)]
struct Progress {
    stage: AtomicU8,
    departed: Notify,
    answered: Notify,
}

impl Trace {
    /// How far the call has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.0.stage.load(Ordering::Acquire) {
            0 => Stage::Waits,
            1 => Stage::InFlight,
            _ => Stage::InBody,
        }
    }

    /// Completes when the call departs. For one listener.
    pub async fn departed(&self) {
        self.0.departed.notified().await;
    }

    /// Completes when the call's headers are there. For one listener.
    pub async fn answered(&self) {
        self.0.answered.notified().await;
    }

    fn departs(&self) {
        self.0.stage.store(1, Ordering::Release);
        self.0.departed.notify_one();
    }

    fn is_answered(&self) {
        self.0.stage.store(2, Ordering::Release);
        self.0.answered.notify_one();
    }
}

/// A hyper client below `layer`, counted by `wire` in between.
#[must_use]
pub fn client(layer: &RateLayer, wire: &Arc<Wire>) -> Client {
    // The layer counts what it sends: nothing below may send it again.
    let hyper = legacy::Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .build_http::<Full<Bytes>>();
    let wire = Arc::clone(wire);
    let below = service_fn(move |request: Request<Full<Bytes>>| {
        let trace = request.extensions().get::<Trace>().cloned();
        let trace = trace.unwrap_or_default();
        trace.departs();
        wire.departed.fetch_add(1, Ordering::Relaxed);
        let wire = Arc::clone(&wire);
        let answer = hyper.request(request);
        async move {
            let answer = answer.await?;
            trace.is_answered();
            wire.answered.fetch_add(1, Ordering::Relaxed);
            Ok::<_, legacy::Error>(answer)
        }
    });
    BoxCloneSyncService::new(layer.layer(below))
}

/// The layer under test, or one that limits nothing.
pub fn layer(window: &Window, without_rate: bool) -> RateLayer {
    if without_rate {
        RateLayer::by_slot().otherwise(Limit::Unlimited)
    } else {
        RateLayer::new(window.clone())
    }
}

/// A request that brings a body of `length` bytes, and its trace.
#[must_use]
pub fn request(server: SocketAddr, length: usize) -> (Request<Full<Bytes>>, Trace) {
    let trace = Trace::default();
    let body = String::from(".").repeat(length);
    let mut request =
        crate::client::request(http::Method::POST, &format!("http://{server}/"), body);
    request.extensions_mut().insert(trace.clone());
    (request, trace)
}
