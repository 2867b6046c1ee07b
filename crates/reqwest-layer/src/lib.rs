//! reqwest as a Tower service, and Tower layers as reqwest middleware.
//!
//! Two directions, for the two ways in which a program already uses reqwest:
//!
//! - [`Reqwest`] puts reqwest *below* Tower layers: a service over `http` types, built from a `reqwest::ClientBuilder`
//!   with redirects and reqwest's own retries off. For programs that own their stack and only want reqwest's
//!   connections.
//! - [`client()`] puts Tower layers *inside* of a `reqwest_middleware::ClientWithMiddleware`, so that code that speaks
//!   reqwest stays as it is. [`LayerMiddleware`] is its part, for chains that have other middleware too.
//!
//! Either way what the layers have classified is what goes on the wire: a URL that reqwest would rewrite is refused
//! ([`UrlError`]), and what is sent is sent once ([`send_once`]).
//!
//! # Features
//!
//! `middleware` (default): [`client()`] and [`LayerMiddleware`], and with it the dependency on `reqwest-middleware`. TLS, HTTP/2 and the
//! rest are features of `reqwest` itself: switch them on in your own dependency on it.

mod body;
mod client;
#[cfg(feature = "middleware")]
mod middleware;
mod response;
mod url;

pub use body::Body;
pub use client::{Reqwest, ResponseFuture, send_once};
#[cfg(feature = "middleware")]
pub use middleware::{
    LayerError, LayerMiddleware, LayeredService, NextService, RedirectError, client,
};
pub use response::into_response;
pub use url::{UrlError, UrlPart};
