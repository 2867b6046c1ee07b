//! What a child does: it sends requests, or one, and stops at a step where its parent kills it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use auth_layer::store::{FileStore, GrantStore, NeedsHuman, StoreFuture, StoreLock, Stored};
use auth_layer::{Auth, Fetch, GrantFuture, Secret, Slot, Source};
use bytes::Bytes;
use call_context::BoxError;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt};

use crate::server::{Server, source};

/// Before everything that a child says to its parent.
pub(crate) const MARK: &str = "child: ";

/// The steps of a renewal at which a process may be killed; what the next one says where the server has no leeway; and how many
/// refresh tokens the server has used up by then.
pub(crate) const STEPS: &[(&str, &str, u64)] = &[
    ("locked", "Bearer t2", 0),
    ("before the intent", "Bearer t2", 0),
    ("after the intent", "a human", 0),
    ("before sending", "a human", 0),
    ("after the answer", "a human", 1),
    ("before the commit", "a human", 1),
    ("half aside", "a human", 1),
    ("after the commit", "Bearer t2", 1),
];

/// Nothing that a child does takes longer, be its parent there or not.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(crate) struct Role {
    address: SocketAddr,
    path: PathBuf,
    once: bool,
    leeway: bool,
    pause: String,
}

const ENVIRONMENT: [&str; 5] = [
    "STORE_CHILD_ADDRESS",
    "STORE_CHILD_PATH",
    "STORE_CHILD_ONCE",
    "STORE_CHILD_LEEWAY",
    "STORE_CHILD_PAUSE",
];

impl Role {
    /// Sends requests until the server has had enough.
    pub(crate) fn new(server: &Server, path: &Path) -> Self {
        Self {
            address: server.address(),
            path: path.to_owned(),
            once: false,
            leeway: false,
            pause: String::new(),
        }
    }

    /// Sends one request.
    pub(crate) fn once(mut self) -> Self {
        self.once = true;
        self
    }

    pub(crate) fn leeway(mut self, leeway: bool) -> Self {
        self.leeway = leeway;
        self
    }

    /// Stops at this step.
    pub(crate) fn pause(mut self, step: &str) -> Self {
        self.pause = step.to_owned();
        self
    }

    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, String)> {
        let path = self.path.to_str().expect("a text").to_owned();
        let values = [
            self.address.to_string(),
            path,
            self.once.to_string(),
            self.leeway.to_string(),
            self.pause.clone(),
        ];
        ENVIRONMENT.into_iter().zip(values)
    }

    fn read() -> Option<Self> {
        let [address, path, once, leeway, pause] =
            ENVIRONMENT.map(|name| std::env::var(name).unwrap_or_default());
        Some(Self {
            address: address.parse().ok()?,
            path: path.into(),
            once: once == "true",
            leeway: leeway == "true",
            pause,
        })
    }
}

fn say(what: &str) {
    eprintln!("{MARK}{what}");
}

/// Whether this process is a child; then it has played its role already.
pub(crate) fn was_started() -> bool {
    let Some(role) = Role::read() else {
        return false;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let play = tokio::time::timeout(LONGEST, play(role)).await;
        say(&play.unwrap_or_else(|_| "too slow".to_owned()));
    });
    true
}

async fn play(role: Role) -> String {
    let renewals = Arc::<AtomicU64>::default();
    let steps = Steps {
        pause: role.pause.clone(),
        path: role.path.clone(),
        saves: Arc::default(),
    };
    let source = Stepping {
        source: source(role.address),
        steps: steps.clone(),
        renewals: Arc::clone(&renewals),
    };
    let store = FileStore::new(&role.path).expect("a path");
    let stored = Stored::new(source, Stopping { store, steps });
    let leeway = if role.leeway { LONGEST } else { Duration::ZERO };
    let client = client(stored.reuse_leeway(leeway), role.address);
    loop {
        match ask(&client).await {
            Ok((_, text)) if text == "enough" => {
                return format!("renewed {}", renewals.load(Ordering::SeqCst));
            }
            Ok((StatusCode::OK, text)) if role.once => return text,
            // A refused token has been renewed by now.
            Ok(_) => {}
            Err(error) if call_context::find::<NeedsHuman>(&*error).is_some() => {
                return "a human".to_owned();
            }
            Err(error) => return format!("{error:?}"),
        }
    }
}

type Api = BoxCloneSyncService<Request<Full<Bytes>>, Response<Incoming>, BoxError>;

/// A client whose credential is `stored`.
pub(crate) fn client(stored: Stored, address: SocketAddr) -> (Api, SocketAddr) {
    let origin = format!("http://{address}").parse().expect("an origin");
    let pause = Duration::from_millis(1);
    let slot = Slot::token("wallet", stored).origin(origin);
    let auth = Auth::single(slot.backoff(pause, pause)).expect("a valid slot");
    let hyper = Client::builder(TokioExecutor::new()).build_http();
    let hyper = hyper.map_err(BoxError::from);
    (BoxCloneSyncService::new(auth.layer().layer(hyper)), address)
}

pub(crate) async fn ask(
    (api, address): &(Api, SocketAddr),
) -> Result<(StatusCode, String), BoxError> {
    let request = Request::get(format!("http://{address}/api")).body(Full::default())?;
    let response = api.clone().oneshot(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

#[derive(Clone)]
struct Steps {
    pause: String,
    path: PathBuf,
    saves: Arc<AtomicU64>,
}

impl Steps {
    /// Goes on, unless this is the step to stop at: then says so, and waits to be killed.
    async fn at(&self, step: &str) {
        if self.pause == step {
            say(&format!("at {step}"));
            std::future::pending().await
        }
    }
}

struct Stepping<S> {
    source: S,
    steps: Steps,
    renewals: Arc<AtomicU64>,
}

impl<S: Source> Source for Stepping<S> {
    fn fetch(&self, fetch: Fetch) -> GrantFuture<'_> {
        Box::pin(async move {
            self.steps.at("before sending").await;
            let answer = self.source.fetch(fetch).await;
            self.steps.at("after the answer").await;
            self.renewals
                .fetch_add(u64::from(answer.is_ok()), Ordering::SeqCst);
            answer
        })
    }
}

struct Stopping {
    store: FileStore,
    steps: Steps,
}

impl GrantStore for Stopping {
    fn load(&self) -> StoreFuture<'_, Option<Secret>> {
        self.store.load()
    }

    fn lock(&self) -> StoreFuture<'_, Box<dyn StoreLock>> {
        Box::pin(async {
            let lock = self.store.lock().await?;
            self.steps.at("locked").await;
            let steps = self.steps.clone();
            Ok(Box::new(StoppingLock { lock, steps }) as Box<dyn StoreLock>)
        })
    }

    fn place(&self) -> String {
        self.store.place()
    }
}

struct StoppingLock {
    lock: Box<dyn StoreLock>,
    steps: Steps,
}

impl StoreLock for StoppingLock {
    fn load(&mut self) -> StoreFuture<'_, Option<Secret>> {
        self.lock.load()
    }

    fn save(&mut self, text: Secret) -> StoreFuture<'_, ()> {
        Box::pin(async {
            let steps = self.steps.clone();
            if steps.saves.fetch_add(1, Ordering::SeqCst) == 0 {
                steps.at("before the intent").await;
                self.lock.save(text).await?;
                steps.at("after the intent").await;
                return Ok(());
            }
            steps.at("before the commit").await;
            if steps.pause == "half aside" {
                let mut aside = steps.path.clone().into_os_string();
                aside.push(".new");
                let half = &text.expose()[..text.expose().len() / 2];
                std::fs::write(aside, half).expect("written");
                steps.at("half aside").await;
            }
            self.lock.save(text).await?;
            steps.at("after the commit").await;
            Ok(())
        })
    }

    fn remove(&mut self) -> StoreFuture<'_, ()> {
        self.lock.remove()
    }
}
