//! A stack with a queue between gate and attacher.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use auth_layer::{Auth, Slot};
use call_context::BoxError;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Client, send, wall};

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// A gate above a queue above an attacher. A call leaves the queue by a permit, in order; `/refused` answers 401.
pub(crate) struct Stack {
    pub(crate) auth: Auth,
    queue: Arc<Semaphore>,
    pub(crate) client: Client,
}

impl Stack {
    /// On a wall clock that is paused as well: some tokens here live for milliseconds.
    pub(crate) fn new(slot: Slot) -> Self {
        let (_, now) = wall();
        Self::on(slot.wall_clock(now))
    }

    pub(crate) fn on(slot: Slot) -> Self {
        let auth = Auth::single(slot).expect("a valid slot");
        let queue = Arc::new(Semaphore::new(0));
        let echo = service_fn(async |request: Request<String>| {
            let credential = &request.headers()[AUTHORIZATION];
            let credential = credential.to_str().expect("visible ASCII").to_owned();
            let mut response = Response::new(credential);
            if request.uri().path() == "/refused" {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            Ok::<_, Infallible>(response)
        });
        let attached = auth.attach().layer(echo);
        let places = Arc::clone(&queue);
        let queued = service_fn(move |request: Request<String>| {
            let (attached, places) = (attached.clone(), Arc::clone(&places));
            async move {
                places.acquire_owned().await?.forget();
                attached.oneshot(request).await
            }
        });
        let client = BoxCloneSyncService::new(auth.gate().layer(queued));
        Self {
            auth,
            queue,
            client,
        }
    }

    /// So many calls, and the token of each once it has left the queue.
    pub(crate) fn calls(&self, calls: usize) -> JoinSet<Result<String, BoxError>> {
        let mut set = JoinSet::new();
        for _ in 0..calls {
            let client = self.client.clone();
            set.spawn(async move { send(&client).await });
        }
        set
    }

    pub(crate) fn release(&self, calls: usize) {
        self.queue.add_permits(calls);
    }
}

pub(crate) async fn until(start: Instant, elapsed: Duration) {
    tokio::time::sleep_until(start + elapsed).await;
}
