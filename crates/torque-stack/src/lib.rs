//! A Tollgate stack for the Torque API.
//!
//! Torque has three credentials, each for routes of its own, and a limit of 100 requests in a rolling minute on one of them.
//! [`Torque`] knows which is which:
//!
//! | routes | class | credential | counted |
//! | --- | --- | --- | --- |
//! | `GET /capabilities` | [`public`](class::PUBLIC) | none | no |
//! | `GET /intelligence/feed` | [`read`](class::READ) | business key | yes |
//! | `GET /read/portfolio` | [`portfolio`](class::PORTFOLIO) | wallet JWT, or the business key: see [`Portfolio`] | with the key |
//! | `POST /decide/assistant/chat`, `/assistant/chat` | [`decide`](class::DECIDE) | business key | yes |
//! | `POST /execute/**`, `/actions/**` | [`execute`](class::EXECUTE) | wallet JWT | no |
//! | the same, [as a merchant](Torque::as_merchant) | [`merchant`](class::MERCHANT) | business key | yes |
//! | the same, [for a third party](Torque::as_delegated) | [`delegated`](class::DELEGATED) | delegated JWT | unknown: [`Torque::limit_delegated`] |
//! | `GET /accounts/wallet`, `/wallet/me` | [`wallet-account`](class::WALLET_ACCOUNT) | wallet JWT | no |
//! | `GET /accounts/business`, `/business/me`, `GET /accounts/end-users/{id}/deposits` | [`business-account`](class::BUSINESS_ACCOUNT) | business key | yes |
//! | `POST /accounts/end-users` | [`end-users`](class::END_USERS) | business key | yes |
//! | `POST /connect/authorize/session`, `/connect/token` | [`connect`](class::CONNECT) | business key | yes |
//!
//! Besides, a 429 with the code `COOLDOWN` does not close the key's window, an execute request with an `Idempotency-Key` may be
//! repeated (Torque replays its answer for 24 hours, there and nowhere else), and so may the creation of an end user, which is
//! idempotent.
//!
//! How a request says that it is on the merchant channel is not published: the caller says it, per request.
//!
//! ```no_run
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use torque_stack::{Torque, tollgate::auth::{Grant, source_fn}};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let stack = Torque::new("http://localhost:3000/api/v1".parse()?)
//!     .business_key(std::env::var("TORQUE_KEY")?)
//!     .wallet(source_fn(|_| async { Ok(Grant::new("the wallet's JWT")) }))
//!     .build()?;
//! let client = Client::builder(TokioExecutor::new()).build_http();
//! let torque = ServiceBuilder::new().layer(stack).service(client);
//!
//! let feed = Request::get("http://localhost:3000/api/v1/intelligence/feed").body(Full::<Bytes>::default())?;
//! println!("{}", torque.clone().oneshot(feed).await?.status());
//!
//! let mut trade = Request::post("http://localhost:3000/api/v1/execute/trades")
//!     .header("idempotency-key", "6f1f6f0e-5d0c-4c5e-8f0a-4f3f2f1f0f00")
//!     .body(Full::from(r#"{"pair":"ETH-USDC"}"#))?;
//! trade.extensions_mut().insert(Torque::as_merchant());
//! println!("{}", torque.clone().oneshot(trade).await?.status());
//! # Ok(())
//! # }
//! ```

mod code;
mod routes;
mod torque;

pub use routes::class;
pub use tollgate;
pub use torque::{Portfolio, Torque, slot};
