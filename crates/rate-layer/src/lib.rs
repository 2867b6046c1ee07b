//! A Tower layer that keeps an API client within the server's rolling limit.
//!
//! A server that allows 100 requests a minute counts them at *its* clock, some time between a request's departure and
//! the headers of its response. A client that counts when it sends is therefore wrong by the difference of two
//! latencies, and draws 429s. [`RateLayer`] holds a place while a request is in flight and starts the place's minute
//! when the response headers arrive: then no window of the server ever holds more than the limit. [`Window`] has the
//! proof, [`Quota`] what it rests on.
//!
//! ```
//! use rate_layer::{MINUTE, Quota, RateLayer};
//! use tower::{ServiceBuilder, service_fn};
//!
//! # type BoxError = Box<dyn std::error::Error + Send + Sync>;
//! # async fn send(request: http::Request<String>) -> Result<http::Response<String>, BoxError> {
//! #     Ok(http::Response::new(request.into_body()))
//! # }
//! let client = ServiceBuilder::new()
//!     .layer(RateLayer::new(Quota::rolling(100, MINUTE)))
//!     .service(service_fn(send));
//! # let _ = client;
//! ```
//!
//! A request that finds no place waits for one in order of arrival, in the future that `call` returns, or fails at once
//! when it could not have one in time. Layers and windows are cheap handles: clone a [`Window`] into every layer whose
//! requests count against the same limit.
//!
//! | module | what it is |
//! | --- | --- |
//! | `quota`, `pace` | what a server allows, in a user's words |
//! | `shape` | the windows and paces themselves: how much is taken, and when it frees; pure |
//! | `book` | windows that are taken together, and who waits for them: who gets a place; pure |
//! | `server` | what a response says about limits, and when the server's windows end; pure |
//! | `shared`, `domain` | one short lock around a book; wakes outside of it; its clock |
//! | `window`, `snapshot`, `keyed`, `place`, `charge` | handles: to windows, and what there is to see of them; to those of keys, to places, to what they cost |
//! | `tenure`, `seat` | what a request holds from admission to end; what a call of a layer holds |
//! | `wants`, `turn` | what a request needs, and its way to it |
//! | `driver`, `runtime` | the task that looks after those who wait, and where it runs |
//! | `layer`, `rule`, `limits`, `settings`, `contradictions`, `service`, `prepare`, `future`, `response`, `detach` | the Tower shell |
//!
//! # Tasks
//!
//! As long as requests wait, one task looks after all of them, on each runtime that has polled one: it offers places as they free, and
//! calls those whose patience has ended. It ends when nobody waits any more, or with its runtime. A request that passes at
//! once needs none, and no runtime either.
//!
//! A place is offered for 50 ms. A waiter that lies forgotten, in a `select!` or in a buffer that nobody polls, costs the others so
//! much once, then it keeps its turn and is offered nothing more until it is polled. A runtime that nobody drives any more holds up
//! nobody elsewhere: its task's work is taken over, 10 ms late once.
//!
//! # Events
//!
//! By [`tracing`](https://docs.rs/tracing). They name no header, no URI and no key. What passes at once says nothing.
//!
//! | level | what | fields |
//! | --- | --- | --- |
//! | debug | the span `rate_limit_wait`, with the events `a request waits for a place` and `a request gets its place` | `at_most`; `waited` |
//! | debug | `a request gets no place` | `kind`, `retry_in` |
//! | debug | `a request has departed and brings no headers: …` | |
//! | warn | `the server says that the limit is exceeded` | `pause` |
//! | info | `adopts the limit that the server states` | `limit`, `before` |
//! | warn | `the server states a limit that is about none of the windows, …`; each once, and no more than eight of one kind of windows | `limit`, `window` |
//! | warn | `a response was to say how much of the limit is left, and does not: …` | |
//!
//! # Features
//!
//! `hyper` (default): a failed connection attempt of hyper-util's legacy client is known to have sent nothing, so its
//! place is free again at once.
//!
//! `quanta`: `Window::quick`, a window that is quicker to ask.

// The model does not call all that the shell calls.
#![cfg_attr(loom, allow(dead_code, reason = "the shell is not built there"))]

// What decides, and the lock around it: what `model` runs under loom.
mod book;
mod lane;
#[cfg(all(test, loom))]
mod model;
mod moment;
mod pace;
mod purse;
mod quota;
mod runtime;
mod server;
mod shape;
mod shared;
mod sync;

#[cfg(not(loom))]
mod charge;
#[cfg(not(loom))]
mod clock;
#[cfg(not(loom))]
mod contradictions;
#[cfg(not(loom))]
mod detach;
#[cfg(not(loom))]
mod domain;
#[cfg(not(loom))]
mod driver;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod future;
#[cfg(not(loom))]
mod head;
#[cfg(not(loom))]
mod keyed;
#[cfg(not(loom))]
mod layer;
#[cfg(not(loom))]
mod limits;
#[cfg(not(loom))]
mod place;
#[cfg(not(loom))]
mod prepare;
#[cfg(not(loom))]
mod response;
#[cfg(not(loom))]
mod rule;
#[cfg(not(loom))]
mod seat;
#[cfg(not(loom))]
mod service;
#[cfg(not(loom))]
mod settings;
#[cfg(not(loom))]
mod snapshot;
#[cfg(not(loom))]
mod tenure;
#[cfg(not(loom))]
mod throttle;
#[cfg(not(loom))]
mod turn;
#[cfg(not(loom))]
mod wait;
#[cfg(not(loom))]
mod wants;
#[cfg(not(loom))]
mod window;

#[cfg(not(loom))]
pub use call_context::{CallContext, Class, NeverLeft, SlotName};

pub use self::pace::Pace;
pub use self::quota::{MINUTE, Quota, Quotas, SECOND, Start, Tier};
pub use self::server::{Stated, Statements};
#[cfg(not(loom))]
pub use self::{
    charge::Charge,
    detach::{DetachedRateLayer, DetachedRateLimit, DetachedResponseFuture},
    error::{RateError, RateErrorKind},
    future::ResponseFuture,
    head::RequestHead,
    keyed::{Key, Keyed, Windows, key},
    layer::RateLayer,
    limits::Limit,
    place::Place,
    rule::Rule,
    server::{Dialect, Draft6, Draft7, Ietf, ResetForm, Standard, UsedWeight, XRateLimit},
    service::RateLimit,
    snapshot::{Counts, Snapshot, TierSnapshot},
    throttle::{ResponseHead, Throttle},
    window::Window,
};
