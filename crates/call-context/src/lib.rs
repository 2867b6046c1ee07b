//! What the layers of one HTTP client call tell each other.
//!
//! The Tollgate layers (`auth-layer`, `rate-layer`, `retry-layer`) are each useful alone and never import each other.
//! What one of them must know of another goes through the small types of this crate:
//!
//! | type | who sets it | who reads it |
//! | --- | --- | --- |
//! | [`CallContext`], a request extension | the outermost of the layers; each adds its part | all |
//! | [`ClassOverride`], a request extension | the caller | whoever classifies the request |
//! | [`NeverLeft`], in an error's chain | a layer that refuses; a service that was not ready; the connector | the rate layer gives the place back, the retry layer may try again |
//! | [`Unprocessed`], a judgement on an error | this crate | the retry layer |
//! | [`Remarked`], around an error | a layer that tells what it did for the call | whoever asks; adaptors that hand on the client's own error |
//! | [`BodyPrefix`], a response extension | a layer that peeks into the body of an error response | classifiers in the layers above |
//! | [`Renewed`], a response extension | the gate of `auth-layer` | the retry layer replays once |
//!
//! Besides, it holds what decides *where a request goes*: [`Routes`] give a request its [`Class`], [`canonical`] refuses
//! paths that two programs could read differently, and an [`Origin`] says which server a credential is meant for.
//!
//! ```
//! use call_context::{Origin, Route, Routes};
//! use http::{Method, Request};
//!
//! let routes = Routes::new([
//!     Route::new(Method::GET, "/read/portfolio", "read"),
//!     Route::new(Method::POST, "/execute/{*rest}", "execute").alternative("merchant"),
//! ])?;
//! let request = Request::post("https://api.example.com/execute/trades").body(())?;
//! assert_eq!(routes.classify(&request)?.map(|class| class.as_str()), Some("execute"));
//!
//! // What another program could read as another route is refused.
//! let request = Request::post("https://api.example.com/read/%2e%2e/execute/trades").body(())?;
//! assert!(routes.classify(&request).is_err());
//!
//! let origin: Origin = "https://api.example.com".parse()?;
//! assert!(origin.matches(request.uri()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! `hyper` (default): error chains are read with knowledge of hyper, hyper-util's legacy client and h2. Without it a
//! chain walk cannot tell an error of the client from one that the user's own body raised; switch it off only for
//! clients that are not built on hyper.

mod body_prefix;
pub mod canonical;
mod chain;
mod context;
mod names;
mod never_left;
mod origin;
mod remarked;
mod renewed;
mod routes;
mod unprocessed;

pub use body_prefix::BodyPrefix;
pub use chain::find;
pub use context::{CallContext, Guard};
pub use names::{Class, ClassOverride, SlotName};
pub use never_left::{NeverLeft, Refusal};
pub use origin::{Origin, OriginError};
pub use remarked::Remarked;
pub use renewed::Renewed;
pub use routes::{ClassifyError, Route, Routes, RoutesError};
pub use unprocessed::Unprocessed;

/// A boxed error, the form in which Tower services report failures.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
