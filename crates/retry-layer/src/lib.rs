//! A Tower layer that repeats a request when that is safe and useful.
//!
//! The *engine* decides whether a request may be sent again; a [classifier](Classify) only names what happened. A replay
//! passes these gates, in this order, and the first one that is shut ends the call with the outcome at hand:
//!
//! 1. an attempt is left;
//! 2. repeating does no harm: the request [never left](call_context::NeverLeft), or its method is idempotent, or it
//!    carries an idempotency key that the server [honours](RetryLayer::keys_honoured_by) [on this
//!    route](RetryLayer::keyed_class), or its class is [opted in](RetryLayer::idempotent_class), or it is
//!    [proven](call_context::Unprocessed) that the server did not process it;
//! 3. the body can be sent again ([`Replay`]);
//! 4. the pause is no longer than the layer is willing to wait, and ends before the call's deadline;
//! 5. the [`Budget`], of all requests or of [this origin](Budget::per_origin), has something left. A call of which nothing has reached the server yet, since a layer below turned it
//!    away ([`Refusal::Local`](call_context::Refusal::Local)), is not asked to pay; and a retry that
//!    never reached the network gets back what it paid, one that [found no connection](Budget::connect_cost) most of it.
//!
//! So a POST that neither has a key nor is opted in is sent again on proof alone, and never because of a 503 or a timeout.
//!
//! ```
//! use std::time::Duration;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use retry_layer::RetryLayer;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let retry = RetryLayer::new().attempts(4).max_delay(Duration::from_secs(5));
//! let flaky = service_fn(|request: Request<Full<Bytes>>| async move {
//!     let attempt = call_context::CallContext::get(request.extensions()).map_or(1, |c| c.attempt());
//!     let status = if attempt < 3 { 503 } else { 200 };
//!     Response::builder().status(status).body(Full::<Bytes>::default())
//! });
//! let client = ServiceBuilder::new().layer(retry.clone()).service(flaky);
//!
//! let request = Request::get("https://api.example.com/read/portfolio").body(Full::default())?;
//! assert_eq!(client.oneshot(request).await?.status(), 200);
//! assert_eq!(retry.counters().retries(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # What is repeated
//!
//! | outcome | verdict of [`StatusClassifier`] | why |
//! | --- | --- | --- |
//! | an error | transient | what it proves about the request is the engine's business |
//! | 408 Request Timeout | transient | the client may repeat the request (RFC 9110, section 15.5.9) |
//! | 425 Too Early | transient | the server did not want to risk early data (RFC 8470, section 5.2) |
//! | 429 Too Many Requests | throttled | RFC 6585, section 4 |
//! | 503 with `Retry-After` | throttled | overload or maintenance with an end (RFC 9110, section 15.6.4) |
//! | 500, 502, 503, 504 | transient | a server's or gateway's failure, often gone at the next try (RFC 9110, section 15.6) |
//! | 1xx, 2xx, 3xx | success | pays into the budget |
//! | all others, also 401, 403, 409, 501 and 505 | final | the same request meets the same answer |
//!
//! An API that speaks differently gets a [classifier](RetryLayer::classifier) of its own, or pieces in front of any classifier
//! ([`Classify::unless`]):
//!
//! | piece | what it reads |
//! | --- | --- |
//! | [`JsonCode`] | a code in the first bytes of a JSON body, where a layer below has [peeked](call_context::BodyPrefix) at them: `tollgate::PeekLayer`, which reads 429 and 403 unless told otherwise |
//! | [`ShouldRetry`] | `x-should-retry: true` and `false`, or another header of that kind |
//! | [`KeyInUse`] | 409 and 425 to a request whose idempotency key the server honours: its first attempt is still under way |
//! | [`Grpc`] | `grpc-status` and `grpc-retry-pushback-ms` in responses of trailers alone |
//! | a function from an [`Exchange`] to an `Option<Verdict>` | whatever it likes |
//!
//! Classes of requests may differ in attempts, pauses, deadline and classifier: [`RetryLayer::class`].
//!
//! Errors are judged by the engine first: a [permanent](call_context::Refusal::Permanent) refusal is final, a
//! [local](call_context::Refusal::Local) one is tried again once a call, and all proof comes from
//! [`NeverLeft`](call_context::NeverLeft) and [`Unprocessed`](call_context::Unprocessed). REFUSED_STREAM and GOAWAY
//! are a peer's claim, believed only for [trusted](RetryLayer::trust_refusals) origins. A 429 or 503 is not proof
//! either: an unkeyed POST that met one is returned with it, unless its class is opted in.
//!
//! A 401 that carries [`Renewed`](call_context::Renewed) is replayed once a call and at once, for every method (the
//! server refused the credential, and did nothing else), over and above the attempts and outside of the budget. The
//! replays that meet another 401 are bounded per slot, which is the [`SlotName`](call_context::SlotName) in the response's
//! extensions, where there is one: a slot has a credit of 100, each such replay takes one from it, each second brings one
//! back, and while the credit is used up no 401 of the slot is replayed. A replay is charged when its answer is there, so
//! that a thousand late 401s after one good renewal are all replayed; likewise all replays that are under way at once
//! when the credit runs out go through. What they take beyond it is owed, up to 100: after such a burst the slot's next
//! replay comes 101 seconds later at the latest.
//!
//! # How long it waits
//!
//! The pause is drawn evenly from zero to `base · 2ⁿ⁻¹`, capped ("full jitter", after the cap, anew for each retry). A
//! `Retry-After` is a floor below it: the pause is never shorter, and jitter on top keeps clients apart that were
//! told the same. So is, on a throttled response without `Retry-After`, the time until a limit opens of which `RateLimit` says
//! that nothing remains (draft-ietf-httpapi-ratelimit-headers). A floor above [the longest
//! obeyed](RetryLayer::longest_retry_after) returns the response now. The layer never adds up waits: a rate layer below that
//! has closed its window for the same `Retry-After` is open again when the replay gets there.
//!
//! The [deadline](RetryLayer::deadline) is that of the whole call. A timeout of an *attempt* belongs below, where it does not
//! tick while the attempt waits for a token or a place: the rate layer's `answer_within`, or tower's `Timeout` next to the client.
//! Either may come after the server has done its work: a POST without a key that timed out is not sent again.
//!
//! # What is returned
//!
//! The outcome of the last attempt that departed. An attempt that never left (refused by a layer below, not ready, no
//! connection) replaces no such outcome: the earlier one stands, with its body whole. During the pause that body is read ahead,
//! until 64 KiB or 1024 frames are reached (the last one whole, however long it is), so that its connection is free again for the
//! replay; what was read is put back in front of the rest ([`RetryBody`]). A replay waits for that at most 100 ms longer than its
//! pause. Where no attempt has departed, the error of the last one is returned: it says why there was no other.
//!
//! At the call's deadline the attempt that is under way is abandoned. Nobody can tell whether the server has processed it,
//! or will. Where that is the same to the caller, since the request may be repeated whatever becomes of it (its method, key or
//! class says so), the earlier response stands, whole. Where there is none, or where it would hide something (the 401 before
//! a POST without a key that is under way once more, an error that says that nothing had left), the call fails with
//! [`DeadlineExceeded`].
//!
//! # What is seen
//!
//! [`RetryInfo`] tells attempts, those that may have reached the server, time in pauses, the reason to [stop](Stop), and what kept a
//! replay from leaving whose error was not returned. It is among the extensions of a response
//! wherever there is something to tell (more than one attempt, or one that might have been mended), so that a call that goes
//! well allocates nothing for it; and likewise in the chain of an error, as a [remark](call_context::Remarked) on the error of
//! the service below. An error that a layer below refused the first attempt with, for good, speaks for itself. The attempt's number is in the [`CallContext`](call_context::CallContext) that layers below read.
//!
//! [`RetryLayer::counters`] counts retries and the calls that stopped, by reason, and [`RetryLayer::balance`] says what the
//! budget holds. In the log: `will retry` and `will not retry` with the reason (debug), `retries are exhausted` where no attempt
//! or no budget was left (info). No event holds a path, a header or an error's text.
//!
//! # Defaults
//!
//! | setting | default |
//! | --- | --- |
//! | [`attempts`](RetryLayer::attempts) | 3, the first one included |
//! | [`base`](RetryLayer::base), [`max_delay`](RetryLayer::max_delay) | 50 ms, doubling up to 20 s |
//! | [`throttle_base`](RetryLayer::throttle_base) | 1 s |
//! | [`longest_retry_after`](RetryLayer::longest_retry_after) | 60 s |
//! | [`deadline`](RetryLayer::deadline) | none but the call's own |
//! | [`budget`](RetryLayer::budget) | 10, and 0.2 for each success, and 0.1 for each second; a throttle [costs](Budget::throttle_cost) what a failure does, a dial in vain a [fifth](Budget::connect_cost) of it; one for [all origins](Budget::per_origin) |
//! | [`classifier`](RetryLayer::classifier) | [`StatusClassifier`], without pieces |
//! | [`class`](RetryLayer::class) | no class has settings of its own |
//! | [`idempotency_header`](RetryLayer::idempotency_header) | that of the [layer of keys](IdempotencyKeyLayer) above, else `idempotency-key`; honoured by no origin; by an origin that is named, on all routes |
//!
//! # Where it stands
//!
//! Outermost, so that each attempt is counted by a rate layer, and carries the newest credential. Below a rate layer that
//! notes so in the call's context it refuses to work ([`BelowRateLayer`]).
//!
//! Redirects are followed above all layers or not at all. A layer or client that follows them below this one sends one
//! request and then another: if the second is turned away on its way (a queue is full, a connection fails), its error proves
//! that *it* never left, and a POST that the first server has executed is sent again.
//!
//! # Other layers that retry
//!
//! One layer retries a call: a second one below passes its calls through, and says so once in the log. Of its settings the
//! [deadline](RetryLayer::deadline) alone counts: it runs from the moment in which the first attempt comes there, and where it is
//! earlier than the first layer's, that one keeps to it; so it is with a layer of [one attempt](RetryLayer::attempts), which is no
//! timeout of an attempt. Clients that repeat on their own know nothing of it: no layer counts what they repeat, a budget does not bound it, and reqwest believes a
//! server's refusal of an HTTP/2 stream, which is [no proof](RetryLayer::trust_refusals). Switch them off.
//!
//! hyper-util's client repeats requests that it could not hand to a connection:
//!
//! ```
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//!
//! let client = Client::builder(TokioExecutor::new())
//!     .retry_canceled_requests(false)
//!     .build_http::<http_body_util::Full<bytes::Bytes>>();
//! ```
//!
//! reqwest does the same, repeats requests whose stream was refused, and follows redirects:
//!
//! ```
//! let client = reqwest::Client::builder()
//!     .retry(reqwest::retry::never())
//!     .redirect(reqwest::redirect::Policy::none())
//!     .build()?;
//! # Ok::<(), reqwest::Error>(())
//! ```
//!
//! # When it does not compile
//!
//! Where `oneshot`, `call` or `ready` "exists, but its trait bounds were not satisfied", something that a [`Retry`] asks for is missing.
//! Written as a path, `tower::ServiceExt::<http::Request<B>>::oneshot(client, request)`, the call makes the compiler say what:
//!
//! - The request's body must be [`Replay`]. Bodies of other crates (`axum::body::Body`, `reqwest::Body`), and those that stream,
//!   go into a [`ReplayBody`]: `request.map(ReplayBody::new)`. The service below then takes a `Request<ReplayBody<_>>`.
//! - The service below must be `Clone`, as each replay needs one of its own. One that is not goes into a `Buffer`.
//! - Its response must be an `http::Response`, and its error must turn into a box (`Into<BoxError>`).
//!
//! # Features
//!
//! All are on by default.
//!
//! - `hyper`: reads proof from the errors of hyper, hyper-util's legacy client and h2; [`Replay`] for hyper's body. Switch it off
//!   only for clients that are not built on hyper: without it nobody sees where the errors of a request's own body begin, and one
//!   that holds a [`NeverLeft`](call_context::NeverLeft) passes for a proof though half of the request has been sent.
//! - `json`: [`JsonCode`].
//! - `rate-limit`: `RateLimit` as a floor.

mod backoff;
mod body;
mod budget;
mod call;
mod class_settings;
mod classify;
mod clock;
mod copy;
mod counters;
mod earlier;
mod error;
mod floor;
mod future;
mod idempotency_key;
mod info;
mod layer;
mod permit;
mod proof;
#[cfg(feature = "rate-limit")]
mod rate_limit;
mod renewals;
mod replay;
mod replay_body;
mod retry_after;
mod service;
mod settings;
mod stacked;
mod stop;

pub use body::RetryBody;
pub use budget::Budget;
pub use class_settings::ClassSettings;
#[cfg(feature = "json")]
pub use classify::JsonCode;
pub use classify::{
    Classify, Exchange, Facts, Grpc, KeyInUse, Piece, ShouldRetry, StatusClassifier, Unless,
    Verdict,
};
pub use counters::Counters;
pub use error::{BelowRateLayer, DeadlineExceeded, IdempotencyHeaderMismatch, RetryError};
pub use future::ResponseFuture;
pub use idempotency_key::{
    IdempotencyKey, IdempotencyKeyError, IdempotencyKeyFuture, IdempotencyKeyLayer,
};
pub use info::RetryInfo;
pub use layer::RetryLayer;
pub use replay::Replay;
pub use replay_body::{BodyLost, ReplayBody};
pub use service::Retry;
pub use stop::Stop;
