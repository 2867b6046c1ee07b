//! A Tollgate stack for the Toromarket API.
//!
//! An agent registers, or logs in, and trades with the token that it gets, or with an API key. [`Toromarket`] builds the
//! stack; [`Accounts`] makes the calls that give a token, over a client of the user's.
//!
//! | routes | class | credential | counted |
//! | --- | --- | --- | --- |
//! | `POST /agents/self-register`, `/auth/login`, `/auth/register` | [`account`](class::ACCOUNT) | none | not in the agent's window |
//! | those declared [`public`](Toromarket::public) | [`public`](class::PUBLIC) | none | not in the agent's window |
//! | all others | [`agent`](class::AGENT) | token or API key | yes |
//!
//! Toromarket publishes few of its routes, so all others below the base URL belong to the agent. Its limits are 10 requests a minute on the
//! free tier and 100 on the paid one; the algorithm is not published, and a rolling minute is the safe reading: what keeps it
//! keeps a fixed minute too. The tier may change with the claim: build the stack with the limit that the account has.
//!
//! ```no_run
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use toromarket_stack::{Accounts, Registration, Toromarket};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let client = Client::builder(TokioExecutor::new()).build_http();
//! let base = "http://localhost:3001/api/v1".parse()?;
//! let accounts = Accounts::new(client.clone(), &base);
//! let me = Registration::new("me@example.com", "me", "a long password");
//! let registered = accounts.self_register(&me).await?;
//! println!("claim this agent at {}", registered.claim_url());
//!
//! let stack = Toromarket::new(base)
//!     .token(accounts.login("me@example.com", "a long password").starting_with(&registered))
//!     .client_name("my-bot/1.0")
//!     .build()?;
//! let toromarket = ServiceBuilder::new().layer(stack).service(client);
//! let request = Request::get("http://localhost:3001/api/v1/agents/me").body(Full::<Bytes>::default())?;
//! println!("{}", toromarket.oneshot(request).await?.status());
//! # Ok(())
//! # }
//! ```

mod account;
mod code;
mod session;
mod toromarket;

pub use account::{AccountError, Accounts, Login, Registered, Registration};
pub use session::{Session, SessionLayer};
pub use tollgate;
pub use toromarket::{Toromarket, ToromarketStack, class, slot};
