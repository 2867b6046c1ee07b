//! Tower layers that put the right credential on each request of an API client, and renew it.
//!
//! A thousand concurrent calls fetch one token; it is renewed before it ends, behind the calls that go on with the old one; a
//! 401 replaces it once. A credential goes to the origins that it is bound to, on the routes that take it, and nowhere else.
//!
//! ```
//! use auth_layer::{Auth, Grant, Slot, source_fn};
//! use http::{Request, Response, header::AUTHORIZATION};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
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
//! let client = ServiceBuilder::new().layer(Auth::single(wallet)?.layer()).service(api);
//! let request = Request::get("https://api.example.com/portfolio").body(String::new())?;
//! client.oneshot(request).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A static key is `Slot::key("business", "sk_live_1")` instead; several credentials and the routes that take them are a table:
//! see [`Auth`].
//!
//! # The parts
//!
//! | part | what it does |
//! | --- | --- |
//! | [`Slot`] | one credential: a static key, a renewing token, or deliberately nothing; bound to origins |
//! | [`Source`] | where a renewing token comes from: one method, fetch a [`Grant`] |
//! | [`store`] | keeps a grant beyond the process, between processes, and spends each refresh token once |
//! | [`source_fn`], [`source_env`], [`source_file`] | sources: a function, the environment, a file that another process rotates |
//! | `oauth`, with the feature `oauth2` | sources: client credentials and refresh tokens; a person's log-in |
//! | [`Auth`] | slots, and which of them a request takes; makes the layers below, which share its state |
//! | [`GateLayer`] | the outer half: chooses the slot, waits for a usable token, and after a 401 for a newer one |
//! | [`AttachLayer`] | the inner half: checks all again and puts the newest token on as the request departs; never waits |
//! | [`AuthLayer`] | both halves in one, for stacks without a rate limit |
//! | [`Tenants`] | a renewing token for each tenant, made when it is first met |
//! | [`Override`] | another credential for one request, or none |
//! | [`KeySlot`] | a handle on one static key: exchange it while the program runs |
//! | [`TokenSlot`] | a handle on one renewing token: read it, renew it, log out |
//!
//! # The order
//!
//! In a whole stack, outermost first: retry → gate → rate limit → attach → client. Nothing waits for a token while it holds a
//! place in a rate limit; and while requests wait for a place, the token renews itself, so that they depart with one that is
//! usable.
//!
//! # A token's life
//!
//! | what happens | what follows |
//! | --- | --- |
//! | a request comes and there is no token | one fetch, in a task of its own, for all who come; they wait |
//! | the token is due: 5 min or a fifth of its lifetime before its end | one renewal behind it: by the next request at the gate, or at once where requests wait between gate and attacher |
//! | the fetch fails | the token is used to its end; then requests wait for the next try, 1 s to 60 s later, or fail at once if they cannot wait that long |
//! | the source refuses for good | requests fail until [`TokenSlot::changed`] is called |
//! | the server answers 401 | that token is thrown away, unless a newer one is in use already; the gate waits for a newer one and marks the 401 as [`Renewed`](call_context::Renewed), for a retry layer to send the request again |
//! | a token is refused that the server never once accepted | as if its fetch had failed: no storm |
//! | nobody sends anything | nothing |
//!
//! [`Slot`] has the durations and their setters. A token has ended when the monotonic or the wall clock says so, since the
//! first stands still while a machine sleeps and the second may be set to anything.
//!
//! # What is refused
//!
//! A refusal is an [`AuthError`] with a [`NeverLeft`](call_context::NeverLeft) in its chain: the request never reached the
//! wire. [`Reason`] lists them all.
//!
//! # What it rests on
//!
//! - The client below follows no redirects, and sends the request that it is given.
//! - Routes, where there are any, say the truth about the server.
//! - Fetches and the waits for them run on a tokio runtime whose time is enabled. With a static key, or while a token is fresh, no runtime is needed.
//! - Secrets never print: not in `Debug`, not in errors, not in events. The error that a source gives is shown as it is.

mod attach;
mod auth;
mod challenge;
mod check;
mod clock;
mod error;
mod events;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod grant;
mod instead;
mod jwt;
mod key;
mod layer;
mod secret;
mod slot;
mod source;
pub mod store;
mod tenants;
mod token;

pub use attach::{Attach, AttachFuture, AttachLayer};
pub use auth::{Auth, AuthBuilder, BuildError, Elsewhere};
pub use challenge::Challenge;
pub use error::{AuthError, Reason};
pub use events::{Event, EventKind, Events};
pub use gate::{Gate, GateFuture, GateLayer};
pub use grant::Grant;
pub use instead::Override;
pub use key::{KeySlot, RotateError, RotateStep};
pub use layer::{AuthLayer, Authorize};
pub use secret::{Secret, Unsendable};
pub use slot::{CallersOwn, Slot};
#[cfg(feature = "oauth2")]
pub use source::oauth;
pub use source::{
    EndedTokens, Fetch, GrantFuture, LogOut, LogOutFuture, Source, SourceError, SourceFn, source_fn,
};
pub use source::{EnvSource, FileSource, source_env, source_file};
pub use tenants::{Tenant, Tenants};
pub use token::{Counts, TokenSlot, UsableToken};
