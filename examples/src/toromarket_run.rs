//! The Toromarket journey: an agent that registers, logs in again whenever its token dies, reads and orders.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::rt::TokioExecutor;
use sandbox::{Faults, Latency, Toromarket as Server, ToromarketConfig};
use tollgate::context::BoxError;
use tollgate::rate::Limit;
use tollgate::{BaseUrl, Quota, RateLayer, RetryLayer, Window};
use toromarket_stack::{Accounts, Registration, Toromarket, ToromarketStack};

use crate::args::{Args, Part};
use crate::client::Client;
use crate::pace::{self, Call, Crowd};
use crate::report::{Layers, Report};
use crate::tally::Tally;

/// The name under which orders are counted.
const ORDERS: &str = "order";

/// A run that is set up: the server is listening, and the agent is registered.
pub struct Run {
    args: Args,
    server: Arc<Server>,
    base: BaseUrl,
    window: Window,
    stack: ToromarketStack,
    claim_url: String,
}

impl Run {
    /// Starts the server, registers an agent, and builds the stack for it.
    ///
    /// # Errors
    ///
    /// Where no loopback port is to be had.
    pub async fn start(args: Args) -> Result<Self, BoxError> {
        let server = Arc::new(
            Server::start(ToromarketConfig {
                limit: args.limit,
                window: args.window,
                public_limit: args.requests,
                token_lifetime: args.window / 4,
                faults: faults(),
                seed: args.seed,
                ..ToromarketConfig::default()
            })
            .await?,
        );
        let base: BaseUrl = server.base_url().parse()?;
        let client = Hyper::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let accounts = Accounts::new(client, &base);
        let agent = Registration::new("bot@example.com", "bot", "correct horse battery staple");
        let registered = accounts.self_register(&agent).await?;
        let login = accounts.login("bot@example.com", "correct horse battery staple");

        let window = Window::new(Quota::rolling(args.limit, args.window));
        let attempts = if args.without == Some(Part::Retry) {
            1
        } else {
            3
        };
        let stack = Toromarket::new(base.clone())
            .token(login.starting_with(&registered))
            .public(Method::GET, "/markets")
            .window(window.clone())
            .retry(RetryLayer::new().attempts(attempts))
            .client_name("tollgate-example/0.1")
            .build()?;
        Ok(Self {
            args,
            server,
            base,
            window,
            stack,
            claim_url: registered.claim_url().to_owned(),
        })
    }

    /// The flags.
    pub fn args(&self) -> &Args {
        &self.args
    }

    /// The stack.
    pub fn stack(&self) -> &ToromarketStack {
        &self.stack
    }

    /// Where the agent's operator would claim it.
    pub fn claim_url(&self) -> &str {
        &self.claim_url
    }

    /// The stack's rate layer, or one that limits nothing where that part is left out.
    pub fn rate(&self) -> RateLayer {
        match self.args.without {
            Some(Part::Rate) => RateLayer::by_slot().otherwise(Limit::Unlimited),
            // Without a gate nobody has chosen a slot, and what has none is counted with the agent.
            Some(Part::Gate) => self
                .stack
                .stack()
                .rate()
                .clone()
                .without_slot(self.window.clone()),
            _ => self.stack.stack().rate().clone(),
        }
    }

    /// Makes all calls through `client`, stops the server, and reports.
    pub async fn drive(self, client: impl Client) -> Report {
        let calls = self.args.requests;
        let (eager, paced) = (calls - calls * 3 / 10, calls - calls / 10);
        let counted = (0..eager).map(|n| self.counted(n));
        // Some come one by one, so that the token is in use all the time.
        let slowly = (eager..calls).map(|n| {
            if n < paced {
                self.counted(n)
            } else {
                self.markets()
            }
        });
        let windows = f64::from(paced) / f64::from(self.args.limit) - 0.9;
        let crowd = Crowd {
            eager: counted.collect(),
            paced: (slowly.collect(), self.args.window.mul_f64(windows.max(1.0))),
        };
        // In the middle of the first rush somebody signs the agent out everywhere: its token is dead, and looks fresh.
        let server = Arc::clone(&self.server);
        let signs_out = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            server.invalidate_all();
        });
        let bar = crate::progress::bar(calls.into(), self.args.json);
        let tally = Arc::new(Tally::default());
        let elapsed = pace::run(client, crowd, Arc::clone(&tally), bar).await;
        signs_out.abort();
        self.server.stop().await;
        let stack = self.stack.stack();
        let retries = stack.retry().counters();
        let layers = Layers {
            renewals: stack
                .auth()
                .tokens()
                .map(|token| token.counts().renewals)
                .sum(),
            waits: self.window.snapshot().counts.waited,
            retries: retries.retries() + retries.replays_after_401(),
        };
        let classes = tally.classes();
        Report::new(
            "toromarket",
            &self.args,
            &self.server.report(),
            layers,
            classes,
            ORDERS,
            elapsed,
        )
    }

    fn counted(&self, n: u32) -> Call {
        if n.is_multiple_of(3) {
            // No idempotency key is known here: an order is sent again only on proof, and after a 401.
            let order = format!(
                r#"{{"clientTradeId":"order-{n}","market":"TORO-USD","side":"buy","amount":"1","reasoning":"The twenty-day mean turned up.","confidence":0.7}}"#
            );
            (ORDERS, self.request(Method::POST, "/orders", order))
        } else {
            (
                "agent",
                self.request(Method::GET, "/agents/me", String::new()),
            )
        }
    }

    /// A call to a public route.
    fn markets(&self) -> Call {
        (
            "markets",
            self.request(Method::GET, "/markets", String::new()),
        )
    }

    fn request(&self, method: Method, path: &str, body: String) -> Request<Full<Bytes>> {
        crate::client::request(method, &self.base.uri(path), body)
    }
}

/// A slow network.
fn faults() -> Faults {
    let way = Latency::LogNormal {
        median: Duration::from_millis(20),
        p99: Duration::from_millis(300),
    };
    Faults {
        latency_before: way,
        latency_after: way,
        ..Faults::none()
    }
}
