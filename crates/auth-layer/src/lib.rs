//! Tower layers that put the right credential on each request of an API client, and renew it.
//!
//! | part | what it does |
//! | --- | --- |
//! | [`Slot`] | one credential: a static key, a renewing token, or deliberately nothing; bound to origins |
//! | [`Source`] | where a renewing token comes from: one method, fetch a [`Grant`] |
//! | [`Auth`] | slots, and which of them a request takes; makes the layers below, which share its state |
//! | [`GateLayer`] | the outer half: chooses the slot, waits for a usable token, and after a 401 for a newer one |
//! | [`AttachLayer`] | the inner half: checks all again and puts the newest token on as the request departs; never waits |
//! | [`AuthLayer`] | both halves in one, for stacks without a rate limit |
//!
//! The order in a whole stack, outermost first, is retry → gate → rate limit → attach → client: nothing waits for a token
//! while it holds a place in a rate limit, and no token goes stale in a queue.
//!
//! ```
//! use auth_layer::{Auth, Grant, Slot, SourceError, source_fn};
//! use http::{Request, Response, header::AUTHORIZATION};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let wallet = Slot::token("wallet", source_fn(|_| async {
//!     // Ask the token endpoint here, with a client of its own.
//!     Ok(Grant::new("a.b.c").expires_in(3600))
//! }))
//! .origin("https://api.example.com".parse()?);
//!
//! let api = service_fn(|request: Request<String>| async move {
//!     assert_eq!(request.headers()[AUTHORIZATION], "Bearer a.b.c");
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! });
//! let client = Auth::single(wallet)?.layer().layer(api);
//! let request = Request::get("https://api.example.com/portfolio").body(String::new())?;
//! client.oneshot(request).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is refused
//!
//! A refusal is an [`AuthError`] with a [`NeverLeft`](call_context::NeverLeft) in its chain: the request never reached the
//! wire. [`Reason`] lists them all. Secrets never print: not in `Debug`, not in errors, not in events.

mod attach;
mod auth;
mod challenge;
mod check;
mod clock;
mod error;
mod gate;
mod grant;
mod jwt;
mod layer;
mod secret;
mod slot;
mod source;
mod token;

pub use attach::{Attach, AttachFuture, AttachLayer};
pub use auth::{Auth, AuthBuilder, BuildError, Elsewhere};
pub use error::{AuthError, Reason};
pub use gate::{Gate, GateFuture, GateLayer};
pub use grant::Grant;
pub use layer::AuthLayer;
pub use secret::{Secret, Unsendable};
pub use slot::{CallersOwn, Slot};
pub use source::{Fetch, GrantFuture, Source, SourceError, SourceFn, source_fn};
pub use token::{Counts, TokenSlot};
