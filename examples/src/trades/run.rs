//! Trades, from the first to the last, and what became of them.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::header::HeaderName;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::rt::TokioExecutor;
use sandbox::{Torque as Server, TorqueConfig};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tollgate::auth::{Grant, source_fn};
use tollgate::context::{BoxError, Origin};
use tollgate::retry::Budget;
use tollgate::{BaseUrl, RetryLayer, Stack};
use torque_stack::Torque;
use tower::retry::Retry;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt};

use crate::trades::args::{Args, Protocol};
use crate::trades::book::{Ending, Trade};
use crate::trades::dialer::{Dialer, Nowhere};
use crate::trades::haproxy::Proxy;
use crate::trades::naive::Stubborn;
use crate::trades::patience::Patience;
use crate::trades::probe::{Probe, TradeNumber, Wire};
use crate::trades::report::{Report, Totals};
use crate::trades::weather::{change, faults};

/// Clients with connections of their own: over HTTP/2, a connection that goes takes all requests on it along.
const CLIENTS: u32 = 16;
/// Callers that share a client.
const CALLERS: u32 = 4;
/// So many that a trade of which nothing leaves has one chance in a million million to fail.
const ATTEMPTS: u32 = 18;
/// The budget is not what this is about: it never says no.
const BUDGET: u32 = 1_000_000;

type Api = BoxCloneSyncService<Request<Full<Bytes>>, StatusCode, BoxError>;

/// Sends all trades, and reports.
///
/// # Errors
///
/// Where no loopback port is to be had, or HAProxy is asked for and does not start.
pub async fn run(args: Args) -> Result<Report, BoxError> {
    let server = Server::start(TorqueConfig {
        faults: faults(false),
        seed: args.seed,
        ..TorqueConfig::default()
    });
    let server = Arc::new(server.await?);
    let proxy = if args.through_haproxy {
        Some(Proxy::start(args.protocol, server.addr()).await?)
    } else {
        None
    };
    let front = proxy.as_ref().map_or(server.addr(), Proxy::front);
    let base: BaseUrl = format!("http://{front}/api/v1").parse()?;
    let stack = stack(args, &server, &base)?;
    let wire = Arc::new(Wire::new(args.trades));
    let apis = apis(args, &stack, &wire)?;

    if !args.json {
        eprintln!("{} trades are under way; the report follows", args.trades);
    }
    let start = Instant::now();
    let trades = Arc::new(Trades {
        args,
        url: base.uri("/execute/trades"),
        next: AtomicU32::new(0),
    });
    let mut callers = JoinSet::new();
    for api in apis {
        for _ in 0..CALLERS {
            callers.spawn(Arc::clone(&trades).send(api.clone()));
        }
    }
    let sending = async {
        let mut endings = Vec::new();
        while let Some(caller) = callers.join_next().await {
            // The trades of a caller that panicked have no end, which the report says.
            endings.extend(caller.unwrap_or_default());
        }
        endings
    };
    let endings = tokio::select! {
        endings = sending => endings,
        () = change(&server) => Vec::new(),
    };
    let elapsed = start.elapsed();
    // What the server still works on belongs into its report.
    server.stop().await;
    drop(proxy);

    let ended = endings.into_iter().map(|(trade, ending)| {
        let (attempts, never_left) = wire.attempts(trade);
        Trade {
            key: args.key,
            ending,
            attempts,
            never_left,
            server: server.trade(&name(trade)),
        }
    });
    let totals = Totals {
        undispatched: wire.undispatched(),
        timed_out: wire.timed_out(),
        claimed: wire.claimed(),
        retries: stack.retry().counters().retries(),
        elapsed,
    };
    Ok(Report::new(args, ended, &server.report(), totals))
}

/// The whole stack, as a program would have it. Where retries are naive, its own are off.
fn stack(args: Args, server: &Arc<Server>, base: &BaseUrl) -> Result<Stack, BoxError> {
    let attempts = if args.naive { 1 } else { ATTEMPTS };
    let mut retry = RetryLayer::new()
        .attempts(attempts)
        .base(Duration::from_millis(5))
        .max_delay(Duration::from_millis(100))
        .budget(Budget::new(BUDGET));
    if args.trust_refusals {
        retry = retry.trust_refusals([base.origin().clone()] as [Origin; 1]);
    }
    let minter = Arc::clone(server);
    let wallet = source_fn(move |_| {
        let lifetime = Duration::from_secs(3600);
        let token = minter.mint_wallet(lifetime);
        std::future::ready(Ok(Grant::new(token).lifetime(lifetime)))
    });
    Ok(Torque::new(base.clone())
        .wallet(wallet)
        .retry(retry)
        .build()?)
}

/// Clients with connections of their own, below one stack.
fn apis(args: Args, stack: &Stack, wire: &Arc<Wire>) -> Result<Vec<Api>, BoxError> {
    let nowhere = Arc::new(Nowhere::new()?);
    let mut dice = Rng::with_seed(args.seed);
    let clients = (0..CLIENTS).map(|_| {
        let dialer = Dialer::new(Arc::clone(&nowhere), dice.fork());
        let client = Hyper::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .http2_only(args.protocol == Protocol::H2)
            .build(dialer);
        let client = Patience::new(client, dice.fork());
        let layered = stack.layer(Probe::new(client, Arc::clone(wire)));
        if args.naive {
            api(Retry::new(Stubborn::new(ATTEMPTS), layered))
        } else {
            api(layered)
        }
    });
    Ok(clients.collect())
}

fn api<S, R>(service: S) -> Api
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = BoxError>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    R: Body<Error: Into<BoxError>> + Send + 'static,
    R::Data: Send,
{
    let read = async |response: Response<R>| {
        let status = response.status();
        let body = pin!(response.into_body().collect());
        body.await.map_err(Into::into)?;
        Ok(status)
    };
    BoxCloneSyncService::new(service.and_then(read))
}

/// The trades that are to be sent.
struct Trades {
    args: Args,
    url: String,
    next: AtomicU32,
}

impl Trades {
    /// Takes one trade after the other, until there are no more.
    async fn send(self: Arc<Self>, api: Api) -> Vec<(u32, Ending)> {
        let mut endings = Vec::new();
        loop {
            let trade = self.next.fetch_add(1, Relaxed);
            if trade >= self.args.trades {
                return endings;
            }
            let ending = match api.clone().oneshot(self.request(trade)).await {
                Ok(status) if status.is_success() => Ending::Succeeded,
                Ok(_) => Ending::Refused,
                Err(_) => Ending::Failed,
            };
            endings.push((trade, ending));
        }
    }

    /// A trade with a name of its own, by which the server tells it from others; and, perhaps, an idempotency key.
    fn request(&self, trade: u32) -> Request<Full<Bytes>> {
        let name = name(trade);
        let body = format!(
            r#"{{"clientTradeId":"{name}","channel":"onchain","pair":"ETH-USDC","amount":"1"}}"#
        );
        let mut request = crate::client::request(Method::POST, &self.url, body);
        request.extensions_mut().insert(TradeNumber(trade));
        if self.args.key
            && let Ok(key) = HeaderValue::try_from(name)
        {
            let header = HeaderName::from_static("idempotency-key");
            request.headers_mut().insert(header, key);
        }
        request
    }
}

fn name(trade: u32) -> String {
    format!("trade-{trade}")
}
