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
//! - [`IdempotencyKeyLayer`] is the one that belongs above retry: one key for all attempts. A stack has none unless it is
//!   [given one](StackBuilder::idempotency_keys).
//!
//! By hand it is the same order in a `ServiceBuilder`. What goes wrong otherwise, and what notices it:
//!
//! | mistake | what happens |
//! | --- | --- |
//! | gate below rate | refused at run time with an error that says so: it could deadlock, and a limit by slot sees no slot |
//! | retry below rate | refused likewise: replays would not be counted, and draw 429s |
//! | attach, or both halves in one, above rate | refused likewise: tokens would go stale in the queue |
//! | no gate | the attacher refuses while no token is there: nobody waits for one |
//! | no attach | not seen: requests go out without a credential, and come back as 401. A gate needs its `attach`, of the same [`Auth`]; a [`Stack`] has both |
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
//! A stack whose trades carry a key, and are repeated since the server honours it. They and their replays go before polling, which
//! leaves them 20 places; without [`first`](rate_layer::RateLayer::first) a replay goes to the end of the line, behind all that polls:
//!
//! ```
//! use http::Method;
//! use tollgate::context::Origin;
//! use tollgate::{IdempotencyKeyLayer, MINUTE, Quota, RateLayer, RetryLayer, Route, Stack};
//!
//! let origin: Origin = "https://api.example.com".parse()?;
//! let stack = Stack::new(origin.clone())
//!     .key("sk_live_1")
//!     .route(Route::new(Method::GET, "/feed", "read"))
//!     .route(Route::new(Method::POST, "/trades", "execute"))
//!     .class("read", "key")
//!     .class("execute", "key")
//!     .rate(RateLayer::new(Quota::rolling(100, MINUTE).reserve(20)).first("execute"))
//!     .idempotency_keys(IdempotencyKeyLayer::new().class("execute"))
//!     .retry(RetryLayer::new().keys_honoured_by([origin]).keyed_class("execute"))
//!     .build()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Tenants
//!
//! A slot of [tenants](auth_layer::Slot::tenants) has a slot for each tenant: a request of the tenant `acme` has the slot
//! `customers/acme`, and none has `customers`. So a rate layer by slot cannot limit them by that name, and a stack in which one tries is
//! not built. What holds for each of them is said by `otherwise`; a tenant that is known beforehand may be named.
//!
//! ```
//! use tollgate::auth::{Grant, Slot, Tenant, Tenants, source_fn};
//! use tollgate::rate::{Keyed, key};
//! use tollgate::{MINUTE, Quota, RateLayer, Stack};
//!
//! let tenants = Tenants::new(|tenant: &Tenant| {
//!     let token = format!("token-of-{tenant}");
//!     source_fn(move |_| std::future::ready(Ok(Grant::new(token.clone()).expires_in(3600))))
//! });
//! let limits = RateLayer::by_slot()
//!     .slot("customers/acme", Quota::rolling(1000, MINUTE))
//!     .otherwise(Keyed::new(Quota::rolling(100, MINUTE), key::slot));
//! let stack = Stack::new("https://api.example.com".parse()?)
//!     .slot(Slot::tenants("customers", tenants))
//!     .rate(limits)
//!     .build()?;
//! # let api = tower::service_fn(|request: http::Request<String>| async move {
//! #     assert_eq!(request.headers()["authorization"], "Bearer token-of-zeta");
//! #     Ok::<_, std::io::Error>(http::Response::new(String::new()))
//! # });
//! # let request = http::Request::get("https://api.example.com/").extension(Tenant::from("zeta")).body(String::new())?;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # use tower::{Layer, ServiceExt};
//! # assert_eq!(runtime.block_on(stack.layer(api).oneshot(request)).map_err(|e| e.to_string())?.status(), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # When a call fails
//!
//! The error of a call is a box; what is in its chain is found with [`find`], through whatever wraps it on the way:
//!
//! | what is found | what it means | may it have been processed? |
//! | --- | --- | --- |
//! | [`AuthError`], its [`reason`](AuthError::reason) and [`slot`](AuthError::slot) | no credential may go there, or none is to be had | no |
//! | [`RateError`], its [`kind`](RateError::kind) and [`retry_in`](RateError::retry_in) | no place in time, the client below not ready, or (`AnswerTimeout`) no answer | no, but for `AnswerTimeout` |
//! | [`DeadlineExceeded`] | the call's deadline has passed, and there was no response to return | yes, unless [`NeverLeft`] is found as well |
//! | the client's own error | no connection, or one that broke | ask [`NeverLeft::find`] |
//!
//! [`NeverLeft::find`] answers the one question that matters for money: whether the call can have had an effect. Ask it first; the
//! kinds are details. A deadline that passes while a call waits for a token or a place is an `AuthError` or `RateError`; one that
//! passes while it is under way is a `DeadlineExceeded`.
//!
//! ```
//! use tollgate::{AuthError, DeadlineExceeded, NeverLeft, RateError, find};
//!
//! fn what_now(error: &(dyn std::error::Error + 'static)) -> String {
//!     let rate = find::<RateError>(error);
//!     if NeverLeft::find(error).is_some() {
//!         let why = if let Some(refused) = rate {
//!             format!("no place: {:?}, to be had in {:?}", refused.kind(), refused.retry_in())
//!         } else if let Some(refused) = find::<AuthError>(error) {
//!             format!("no credential: {:?} of {:?}", refused.reason(), refused.slot())
//!         } else {
//!             "no connection".to_owned()
//!         };
//!         return format!("it never left, and does no harm if it is sent again: {why}");
//!     }
//!     let what = match rate {
//!         // The only kind that may have been executed is `AnswerTimeout`.
//!         Some(late) => format!("no answer came: {:?}", late.kind()),
//!         None if find::<DeadlineExceeded>(error).is_some() => "no answer by the deadline".to_owned(),
//!         None => "the connection broke".to_owned(),
//!     };
//!     format!("perhaps executed, so look before you send it again: {what}")
//! }
//! # use std::time::Duration;
//! # use http::{Request, Response};
//! # use tollgate::{CallContext, MINUTE, Quota, RateLayer, Stack};
//! # use tower::{Layer, ServiceExt, service_fn};
//! # let stack = |rate: RateLayer| Stack::new("https://a.example".parse().unwrap()).key("k").rate(rate).build().unwrap();
//! # let rate = || RateLayer::new(Quota::rolling(1, MINUTE));
//! # let trade = |origin: &str| Request::post(format!("{origin}/trades")).body(String::new()).unwrap();
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
//! # runtime.block_on(async {
//! #     let prompt = service_fn(|_: Request<String>| async { Ok::<_, std::io::Error>(Response::new(String::new())) });
//! #     let silent = service_fn(|_: Request<String>| std::future::pending::<std::io::Result<Response<String>>>());
//! #     let broken = service_fn(|_: Request<String>| async { Err::<Response<String>, _>(std::io::Error::other("broken")) });
//! #     let unsent = "it never left, and does no harm if it is sent again: ";
//! #     let unknown = "perhaps executed, so look before you send it again: ";
//! #
//! #     let elsewhere = stack(rate()).layer(prompt).oneshot(trade("https://b.example")).await.unwrap_err();
//! #     assert!(what_now(&*elsewhere).starts_with(&format!("{unsent}no credential: Elsewhere")));
//! #
//! #     let full = stack(rate().refuse()).layer(prompt);
//! #     full.clone().oneshot(trade("https://a.example")).await.unwrap();
//! #     let full = full.oneshot(trade("https://a.example")).await.unwrap_err();
//! #     assert!(what_now(&*full).starts_with(&format!("{unsent}no place: WouldWait")));
//! #
//! #     let timeout = stack(rate().answer_within(Duration::from_secs(5))).layer(silent);
//! #     let timeout = timeout.oneshot(trade("https://a.example")).await.unwrap_err();
//! #     assert_eq!(what_now(&*timeout), format!("{unknown}no answer came: AnswerTimeout"));
//! #
//! #     let mut late = trade("https://a.example");
//! #     let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
//! #     CallContext::of(late.extensions_mut()).limit_deadline(deadline.into_std());
//! #     let late = stack(rate()).layer(silent).oneshot(late).await.unwrap_err();
//! #     assert_eq!(what_now(&*late), format!("{unknown}no answer by the deadline"));
//! #
//! #     let broken = stack(rate()).layer(broken).oneshot(trade("https://a.example")).await.unwrap_err();
//! #     assert_eq!(what_now(&*broken), format!("{unknown}the connection broke"));
//! # });
//! ```
//!
//! A *response* may be just as unknown as an error: a 502 or 504 for a trade comes from something in between, and says nothing of
//! whether the server behind it has executed the trade; nor does a 500 say so. Treat them like an error without [`NeverLeft`].
//!
//! Whoever wants to ask the server later what became of a trade, by its idempotency key, must know the key: set it on the request
//! yourself, and write it down before you send. A stack's [`IdempotencyKeyLayer`] leaves a key that is there as it is, and tells nobody the
//! ones that it makes.
//!
//! An error's `Display` shows one link of the chain. All of it, as for a log:
//!
//! ```
//! fn in_full(mut error: &(dyn std::error::Error + 'static)) -> String {
//!     let mut text = error.to_string();
//!     while let Some(cause) = error.source() {
//!         text = format!("{text}: {cause}");
//!         error = cause;
//!     }
//!     text
//! }
//! # let cause = std::io::Error::other("refused");
//! # let error = tollgate::NeverLeft::wrap(tollgate::Refusal::Transient, std::io::Error::other(cause));
//! # assert!(in_full(&error).ends_with(": refused"), "{}", in_full(&error));
//! ```
//!
//! A deadline for one call goes into its context:
//!
//! ```
//! use std::time::Duration;
//! use tollgate::CallContext;
//!
//! let mut request = http::Request::get("https://api.example.com/").body(())?;
//! let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
//! CallContext::of(request.extensions_mut()).limit_deadline(deadline.into_std());
//! # Ok::<(), http::Error>(())
//! ```
//!
//! # What has happened
//!
//! To one call: [`retry::RetryInfo`](retry_layer::RetryInfo), on its response or its error; its
//! [`refusal`](retry_layer::RetryInfo::refusal) is, say, the [`RateError`] of a replay that got no place. To all:
//! [`RetryLayer::counters`](retry_layer::RetryLayer::counters), [`Auth::tokens`](auth_layer::Auth::tokens) with their counts, and
//! [`Window::snapshot`](rate_layer::Window::snapshot): keep a clone of the `Window` that you give to the stack.
//! To credentials: [`Auth::subscribe`](auth_layer::Auth::subscribe).
//!
//! # What else there is
//!
//! | wanted | said |
//! | --- | --- |
//! | several windows: 10 a second and 100 a minute | [`Quota::and`](rate_layer::Quota::and), and the result to [`limit`](StackBuilder::limit) |
//! | trades before polling, their replays too | [`RateLayer::first`](rate_layer::RateLayer::first) with [`Quota::reserve`](rate_layer::Quota::reserve) |
//! | to stop and go on, and to see how full it is | [`Window::pause`](rate_layer::Window::pause), [`resume`](rate_layer::Window::resume), [`snapshot`](rate_layer::Window::snapshot) |
//! | to log out | [`TokenSlot::log_out`](auth_layer::TokenSlot::log_out), of [`Auth::token`](auth_layer::Auth::token) |
//!
//! # Defaults
//!
//! | what | default | set at |
//! | --- | --- | --- |
//! | attempts | 3, the first included | [`RetryLayer::attempts`](retry_layer::RetryLayer::attempts) |
//! | pause before a retry | up to 50 ms, doubling to 20 s; from 1 s where the server throttles | `base`, `throttle_base`, `max_delay` |
//! | longest `Retry-After` obeyed | 60 s, by retry and by rate | `longest_retry_after`; [`RateLayer::longest_pause`](rate_layer::RateLayer::longest_pause) |
//! | budget of retries | 10, and 0.2 for each success, and 0.1 for each second | [`Budget`](retry_layer::Budget) |
//! | queue of a window | 1024 | [`RateLayer::queue`](rate_layer::RateLayer::queue) |
//! | longest wait for a place | a little more than twice the window | [`RateLayer::max_wait`](rate_layer::RateLayer::max_wait) |
//! | longest wait for an answer | 5 min from departure | [`RateLayer::answer_within`](rate_layer::RateLayer::answer_within) |
//! | margin | the larger of 10 ms and a thousandth of the window | [`Quota::margin`](rate_layer::Quota::margin) |
//! | grace for abandoned requests | 10 s | [`Quota::grace`](rate_layer::Quota::grace) |
//! | the window at the start | empty | [`Quota::start`](rate_layer::Quota::start) |
//! | wait for a token | 30 s; 180 s where its source goes through a stack | [`Slot::wait`](auth_layer::Slot::wait) |
//! | a token is renewed | 5 min or 20 % of its lifetime before its end, jittered | [`Slot::soft`](auth_layer::Slot::soft) |
//! | pause after a failed fetch | 1 s, doubling to 60 s, jittered | [`Slot::backoff`](auth_layer::Slot::backoff) |
//! | error bodies peeked at | 429 and 403; 4 KiB; 1 s | [`PeekLayer`] |
//!
//! # When it does not compile
//!
//! Where `oneshot`, `call` or `ready` "exists, but its trait bounds were not satisfied", something that the layers ask for is missing.
//! Written as a path, `tower::ServiceExt::<http::Request<B>>::oneshot(api, request)`, the call makes the compiler say what:
//!
//! - The request's body must be [`Replay`](retry_layer::Replay). Bodies of other crates (`axum::body::Body`, `reqwest::Body`), and
//!   those that stream, go into a [`ReplayBody`]: `request.map(ReplayBody::new)`. The client below then takes a
//!   `Request<ReplayBody<_>>`.
//! - The client below must be `Clone`, as each replay needs one of its own. One that is not goes into a `Buffer`.
//! - Its response must be an `http::Response`, and its error must turn into a box (`Into<BoxError>`).
//!
//! "Implementation of `From` is not general enough", at `tokio::spawn` of an async block, comes of a client below whose future is an async
//! block as well, such as a `service_fn`, and whose error is a `BoxError`: put the whole stack into a box,
//! `BoxCloneService::new(..)` of `tower::util`, and call that in the task.
//!
//! ```
//! use http::{Request, Response};
//! use tollgate::{BoxError, Stack};
//! use tower::util::BoxCloneService;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let client = service_fn(|_: Request<String>| async { Ok::<_, BoxError>(Response::new(String::new())) });
//! let stack = Stack::new("https://api.example.com".parse()?).key("sk_live_1").build()?;
//! let api = BoxCloneService::new(stack.layer(client));
//!
//! let request = Request::get("https://api.example.com/feed").body(String::new())?;
//! let status = tokio::spawn(async move { api.oneshot(request).await.map(|response| response.status()) });
//! assert_eq!(status.await??, 200);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `hyper` (default) | errors are read with knowledge of hyper, hyper-util's legacy client and h2 |
//! | `file-store` (default) | grants in a file that processes share, on Unix: [`auth_layer::store`] |
//! | `oauth2` | sources that ask an OAuth 2.0 server: `auth::oauth` |

mod base;
mod peek;
mod stack;

pub use auth_layer as auth;
pub use auth_layer::{
    Auth, AuthError, Grant, Override, Secret, Slot, SourceError, Tenant, Tenants, source_env,
    source_file, source_fn,
};
pub use base::{BaseUrl, BaseUrlError};
pub use call_context as context;
pub use call_context::{
    BoxError, CallContext, Class, ClassOverride, NeverLeft, Origin, Refusal, Route, Routes,
    SlotName, find,
};
pub use peek::{Peek, PeekLayer, PeekedBody, ResponseFuture as PeekFuture};
pub use rate_layer as rate;
pub use rate_layer::{MINUTE, Quota, RateError, RateErrorKind, RateLayer, SECOND, Window};
pub use retry_layer as retry;
pub use retry_layer::{
    ClassSettings, DeadlineExceeded, IdempotencyKeyLayer, ReplayBody, RetryInfo, RetryLayer,
};
pub use stack::{Stack, StackBuilder, StackError, StackService};

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
