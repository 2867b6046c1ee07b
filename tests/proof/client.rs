//! The retry layer over each client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use reqwest_layer::Reqwest;
use tokio::sync::Notify;
use tollgate::RetryLayer;
use tollgate::context::BoxError;
use tollgate::retry::{Replay, Stop};
use tower::timeout::error::Elapsed;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Body, dead_address, within};

/// A request body, and how to make another one like it.
pub(crate) struct Again {
    body: Body,
    make: Arc<dyn Fn() -> Body + Send + Sync>,
}

impl Again {
    pub(crate) fn new(make: impl Fn() -> Body + Send + Sync + 'static) -> Self {
        Self {
            body: make(),
            make: Arc::new(make),
        }
    }
}

impl HttpBody for Again {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Replay for Again {
    fn replay(&self) -> Option<Self> {
        let make = Arc::clone(&self.make);
        Some(Self { body: make(), make })
    }
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    Http2,
}

type Below = BoxCloneSyncService<Request<Again>, Response<Body>, BoxError>;

/// A client below the layer.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) name: &'static str,
    below: Below,
}

impl Client {
    /// hyper-util's and reqwest, neither of which redirects or repeats.
    pub(crate) fn both(speaks: Speaks) -> [Self; 2] {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let hyper_util = Hyper::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .http2_only(speaks == Speaks::Http2)
            .build::<_, Again>(connector)
            .map_err(BoxError::from)
            .map_response(|response| response.map(boxed));
        let mut builder = reqwest::Client::builder().no_proxy();
        if speaks == Speaks::Http2 {
            builder = builder.http2_prior_knowledge();
        }
        let reqwest = Reqwest::new(builder).expect("a client");
        let reqwest =
            ServiceExt::<Request<Again>>::map_response(reqwest, |response| response.map(boxed));
        [
            Self::new("hyper-util", BoxCloneSyncService::new(hyper_util)),
            Self::new("reqwest", BoxCloneSyncService::new(reqwest)),
        ]
    }

    fn new(name: &'static str, below: Below) -> Self {
        Self { name, below }
    }

    /// The client with a timeout of each attempt, whose time is up when the server has seen the request.
    pub(crate) fn hasty(self, seen: Arc<Seen>) -> Self {
        let below = service_fn(move |request: Request<Again>| {
            let (call, seen) = (self.below.clone().oneshot(request), Arc::clone(&seen));
            async move {
                tokio::select! {
                    outcome = call => outcome,
                    () = seen.arrived.notified() => Err(BoxError::from(Elapsed::new())),
                }
            }
        });
        Self::new(self.name, BoxCloneSyncService::new(below))
    }

    /// The client, whose first request goes to a port where nobody listens.
    pub(crate) async fn astray(self) -> Self {
        let dead = dead_address().await;
        let gone = Arc::new(AtomicBool::new(false));
        let below = self.below.map_request(move |mut request: Request<Again>| {
            if !gone.swap(true, SeqCst) {
                *request.uri_mut() = uri(dead);
            }
            request
        });
        Self {
            below: BoxCloneSyncService::new(below),
            ..self
        }
    }

    /// Sends a request without a key through `layer`.
    pub(crate) async fn send(
        self,
        layer: &RetryLayer,
        method: Method,
        address: SocketAddr,
        body: Again,
    ) -> Result<StatusCode, BoxError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri(address);
        let call = layer.layer(self.below).oneshot(request);
        Ok(within(call).await?.status())
    }
}

fn boxed<B>(body: B) -> Body
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    body.map_err(Into::into).boxed_unsync()
}

fn uri(address: SocketAddr) -> Uri {
    let uri = format!("http://{address}/execute/trades");
    uri.parse().expect("a URI")
}

/// Requests that a server has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    times: AtomicUsize,
    arrived: Notify,
}

impl Seen {
    /// One more.
    pub(crate) fn note(&self) {
        self.times.fetch_add(1, SeqCst);
        self.arrived.notify_one();
    }

    /// How many.
    pub(crate) fn times(&self) -> usize {
        self.times.load(SeqCst)
    }
}

/// Three attempts, without long pauses between them.
pub(crate) fn prompt() -> RetryLayer {
    RetryLayer::new().base(Duration::from_millis(1))
}

/// Fails unless a call was ended since repeating it might have done harm.
#[track_caller]
pub(crate) fn stopped_for_safety(layer: &RetryLayer, name: &str) {
    let counters = layer.counters();
    assert_eq!(counters.retries(), 0, "{name}");
    assert_eq!(counters.stopped(Stop::NotSafe), 1, "{name}");
}
