//! The Torque journey: a server that misbehaves, a stack, and what both saw.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::rt::TokioExecutor;
use sandbox::{Faults, Latency, Torque as Server, TorqueConfig};
use tollgate::auth::{Grant, Source, SourceError, source_fn};
use tollgate::context::BoxError;
use tollgate::rate::Limit;
use tollgate::{BaseUrl, Quota, RateLayer, RetryLayer, Stack, Window};
use torque_stack::{Torque, class};

use crate::args::{Args, Part};
use crate::client::Client;
use crate::pace::{self, Call, Crowd};
use crate::report::{Layers, MAY_FAIL, Report};
use crate::tally::Tally;

/// The name under which trades are counted.
const TRADES: &str = "trade";

/// A run that is set up: the server is listening.
pub struct Run {
    name: &'static str,
    args: Args,
    server: Server,
    base: BaseUrl,
    window: Window,
    stack: Stack,
}

impl Run {
    /// Starts the server, and builds the stack for it. The report will bear `name`.
    ///
    /// # Errors
    ///
    /// Where no loopback port is to be had.
    pub async fn start(name: &'static str, args: Args) -> Result<Self, BoxError> {
        let server = Server::start(TorqueConfig {
            limit: args.limit,
            window: args.window,
            wallet_jwt_lifetime: args.window / 4,
            faults: faults(),
            seed: args.seed,
            ..TorqueConfig::default()
        })
        .await?;
        let base: BaseUrl = server.base_url().parse()?;
        // The grace for abandoned requests is 10 s at a minute; here it shrinks with the window.
        let quota = Quota::rolling(args.limit, args.window).grace(args.window / 6);
        let window = Window::new(quota);
        let attempts = if args.without == Some(Part::Retry) {
            1
        } else {
            5
        };
        // A second answer of the assistant costs a credit and does no harm.
        let retry = RetryLayer::new()
            .attempts(attempts)
            .idempotent_class(class::DECIDE);
        let stack = Torque::new(base.clone())
            .business_key(server.business_key())
            .wallet(sign_in(server.addr().to_string()))
            .window(window.clone())
            .retry(retry)
            .build()?;
        Ok(Self {
            name,
            args,
            server,
            base,
            window,
            stack,
        })
    }

    /// The flags.
    pub fn args(&self) -> &Args {
        &self.args
    }

    /// The stack.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The stack's rate layer, or one that limits nothing where that part is left out.
    pub fn rate(&self) -> RateLayer {
        match self.args.without {
            Some(Part::Rate) => RateLayer::by_slot().otherwise(Limit::Unlimited),
            // Without a gate nobody has chosen a slot, and what has none is counted with the key.
            Some(Part::Gate) => self.stack.rate().clone().without_slot(self.window.clone()),
            _ => self.stack.rate().clone(),
        }
    }

    /// Makes all calls through `client`, stops the server, and reports.
    pub async fn drive(self, client: impl Client) -> Report {
        let calls = self.args.requests;
        let counted = calls - calls / 5;
        let crowd = Crowd {
            eager: (0..counted).map(|n| self.counted(n)).collect(),
            paced: (
                (counted..calls).map(|n| self.uncounted(n)).collect(),
                // As long as the counted calls will take: a window for each time that they fill it.
                self.args
                    .window
                    .mul_f64(f64::from(counted) / f64::from(self.args.limit) - 0.9)
                    .max(self.args.window),
            ),
        };
        let bar = crate::progress::bar(calls.into(), self.args.json);
        let tally = Arc::new(Tally::default());
        let elapsed = pace::run(client, crowd, Arc::clone(&tally), bar).await;
        self.server.stop().await;
        let retries = self.stack.retry().counters();
        let layers = Layers {
            renewals: self
                .stack
                .auth()
                .tokens()
                .map(|token| token.counts().renewals)
                .sum(),
            waits: self.window.snapshot().counts.waited,
            retries: retries.retries() + retries.replays_after_401(),
        };
        let classes = tally.classes();
        Report::new(
            self.name,
            &self.args,
            &self.server.report(),
            layers,
            classes,
            TRADES,
            elapsed,
        )
    }

    /// A call that Torque counts against the business key.
    fn counted(&self, n: u32) -> Call {
        match n % 10 {
            0..6 => ("feed", self.get("/intelligence/feed?limit=5")),
            6 | 7 => {
                let chat = r#"{"message":"What moved?","walletAddress":"0x01"}"#;
                (
                    "assistant",
                    self.post("/decide/assistant/chat", chat.into()),
                )
            }
            8 => ("account", self.get("/accounts/business")),
            _ => {
                let mut trade = self.trade("/execute/trades", "merchant", n);
                trade.extensions_mut().insert(Torque::as_merchant());
                (TRADES, trade)
            }
        }
    }

    /// A call with the wallet's JWT, or with nothing.
    fn uncounted(&self, n: u32) -> Call {
        match n % 10 {
            0..4 => (TRADES, self.trade("/execute/trades", "onchain", n)),
            4 => (MAY_FAIL[0], self.trade_without_key(n)),
            5..7 => (TRADES, self.trade("/actions/transfers/evm", "onchain", n)),
            7 => ("portfolio", self.get("/read/portfolio")),
            8 => ("wallet", self.get("/wallet/me")),
            _ => ("capabilities", self.get("/capabilities")),
        }
    }

    fn get(&self, path: &str) -> Request<Full<Bytes>> {
        self.request(Method::GET, path, String::new())
    }

    fn post(&self, path: &str, body: String) -> Request<Full<Bytes>> {
        self.request(Method::POST, path, body)
    }

    /// A trade that must not be sent again without proof: where its connection breaks, its caller has to look first.
    fn trade_without_key(&self, n: u32) -> Request<Full<Bytes>> {
        let mut request = self.trade("/execute/trades", "onchain", n);
        request.headers_mut().remove("idempotency-key");
        request
    }

    /// A trade with an identity of its own, the channel that the sandbox is to hold it against, and an idempotency key as an SDK would mint it: once a trade.
    fn trade(&self, path: &str, channel: &str, n: u32) -> Request<Full<Bytes>> {
        let body = format!(
            r#"{{"clientTradeId":"trade-{n}","channel":"{channel}","pair":"ETH-USDC","amount":"1"}}"#
        );
        let mut request = self.post(path, body);
        let key = format!("{n:08x}-7a1e-4b2c-8d3f-{:012x}", self.args.seed);
        if let Ok(key) = key.parse() {
            request.headers_mut().insert("idempotency-key", key);
        }
        request
    }

    fn request(&self, method: Method, path: &str, body: String) -> Request<Full<Bytes>> {
        crate::client::request(method, &self.base.uri(path), body)
    }
}

/// A day on a bad network, with a server that is not well.
fn faults() -> Faults {
    let way = Latency::LogNormal {
        median: Duration::from_millis(20),
        p99: Duration::from_millis(300),
    };
    Faults {
        latency_before: way,
        latency_after: way,
        server_error: 0.05,
        drop_before: 0.02,
        drop_during: 0.02,
        drop_after: 0.02,
        expire_early: 0.3,
        ..Faults::none()
    }
}

/// Where wallet JWTs come from: on the real system its sign-in, here a call that the sandbox adds. Over a client of its
/// own, as every source.
fn sign_in(authority: String) -> impl Source {
    let client = Hyper::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    source_fn(move |_| {
        let (client, uri) = (client.clone(), format!("http://{authority}/__sandbox/mint"));
        async move {
            let ask = Request::post(uri).header("content-type", "application/json");
            let ask = ask
                .body(Full::from(r#"{"kind":"wallet"}"#))
                .map_err(SourceError::permanent)?;
            let answer = client.request(ask).await.map_err(SourceError::temporary)?;
            let body = answer
                .into_body()
                .collect()
                .await
                .map_err(SourceError::temporary)?;
            let minted: Minted = serde_json::from_slice(&body.to_bytes())
                .map_err(|_| SourceError::temporary("no token in the answer"))?;
            Ok(Grant::new(minted.token).lifetime(Duration::from_secs_f64(minted.expires_in)))
        }
    })
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Minted {
    token: String,
    expires_in: f64,
}
