//! Composable Tower layers for clients of APIs that check a token and count requests.
//!
//! This crate puts the layers in the right order, as one layer: [`Stack`]. It re-exports the crates that it is made of, each
//! of which is useful alone:
//!
//! | crate | what it does |
//! | --- | --- |
//! | [`auth`] | the right credential on each request; tokens renew themselves |
//! | [`rate`] | the server's rolling limit is kept, whatever the network does |
//! | [`retry`] | again, when that is safe and useful |
//! | [`context`] | what they tell each other: routes and classes, origins, what became of a call |
//!
//! # The order
//!
//! Outermost first: retry → gate → rate → peek → attach → client. The gate and the attacher are the two halves of `auth`.
//!
//! - The gate waits for a token *before* the rate layer gives the call a place: nothing holds a place and waits for a token,
//!   which would be a deadlock as soon as the token's fetch needs a place itself.
//! - The attacher puts the token on *after* the wait for a place, so that it is the newest one; it never waits.
//! - Retry is outermost: each attempt waits for a token, is counted, and carries the newest credential.
//! - [`PeekLayer`] reads the code in error bodies for the classifiers above it.
//!
//! By hand it is the same order in a `ServiceBuilder`. What goes wrong otherwise, and what notices it:
//!
//! | mistake | what happens |
//! | --- | --- |
//! | gate below rate | refused at run time with an error that says so: it could deadlock, and a limit by slot sees no slot |
//! | retry below rate | refused likewise: replays would not be counted, and draw 429s |
//! | attach, or both halves in one, above rate | refused likewise: tokens would go stale in the queue |
//! | no gate | the attacher refuses while no token is there: nobody waits for one |
//! | redirects followed between the layers | not seen: the first server has seen the request, and a refusal of the next hop looks as if it had never left. Follow redirects above all layers, or not at all |
//! | a client below that follows redirects or repeats | not seen: requests leave uncounted, credentials reach other hosts, and a failed connection proves nothing |
//!
//! ```
//! use tollgate::auth::{Auth, Slot};
//! use tollgate::{MINUTE, PeekLayer, Quota, RateLayer, RetryLayer};
//! use tower::ServiceBuilder;
//!
//! let auth = Auth::single(Slot::key("key", "sk_live_1").origin("https://api.example.com".parse()?))?;
//! let client = ServiceBuilder::new()
//!     .layer(RetryLayer::new())
//!     .layer(auth.gate())
//!     .layer(RateLayer::new(Quota::rolling(100, MINUTE)))
//!     .layer(PeekLayer::new())
//!     .layer(auth.attach());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! `hyper` (default): errors are read with knowledge of hyper, hyper-util's legacy client and h2.

mod base;
mod peek;
mod stack;

pub use auth_layer as auth;
pub use base::{BaseUrl, BaseUrlError};
pub use call_context as context;
pub use call_context::{Class, ClassOverride, Origin, Route, Routes};
pub use peek::{Peek, PeekLayer, PeekedBody, ResponseFuture as PeekFuture};
pub use rate_layer as rate;
pub use rate_layer::{MINUTE, Quota, RateLayer, SECOND, Window};
pub use retry_layer as retry;
pub use retry_layer::RetryLayer;
pub use stack::{Stack, StackBuilder, StackError, StackService};

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
