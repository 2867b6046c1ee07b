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
//! | module | what it decides |
//! | --- | --- |
//! | `rolling` | how many places are taken, and when they free; pure |
//! | `queue` | who waits, in which order, who has been offered a place; pure |
//! | `lookouts` | who looks after the queue, and when; pure |
//! | `limiter` | brings them together; pure |
//! | `shared` | one short lock around it; wakes outside of it |
//! | `turn`, `place` | a waiter and a holder, with tokio's timers and clock |
//! | `layer`, `limits`, `service`, `future` | the Tower shell |
//! | `throttle`, `server` | what a response says about limits, and when the server's windows end; pure |
//!
//! # Features
//!
//! `hyper` (default): a failed connection attempt of hyper-util's legacy client is known to have sent nothing, so its
//! place is free again at once.
#![cfg(not(loom))]

mod clock;
mod error;
mod future;
mod layer;
mod limiter;
mod limits;
mod lookouts;
mod moment;
mod outcome;
mod place;
mod queue;
mod quota;
mod rolling;
mod server;
mod service;
mod settings;
mod shared;
mod sync;
mod throttle;
mod turn;
mod window;

pub use error::{RateError, RateErrorKind};
pub use future::ResponseFuture;
pub use layer::RateLayer;
pub use limits::Limit;
pub use place::Place;
pub use quota::{MINUTE, Quota, SECOND, Start};
pub use server::{
    Dialect, Draft6, Draft7, Ietf, ResetForm, Standard, Stated, Statements, UsedWeight, XRateLimit,
};
pub use service::RateLimit;
pub use throttle::{ResponseHead, Throttle};
pub use window::{Counts, Snapshot, Window};
