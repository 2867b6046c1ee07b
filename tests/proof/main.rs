//! A POST without an idempotency key is sent again on proof alone: how often a raw server sees it, through the retry layer
//! over hyper-util's client and over reqwest.
//!
//! What the errors themselves prove is tested where they are judged, in `call-context`; here it is what becomes of the
//! request. Each row has its control: a PUT meets the same server, and is sent again.

mod client;
mod http1;
mod http2;
mod reqwest_alone;
#[path = "../../crates/call-context/tests/proof/support/mod.rs"]
#[allow(
    dead_code,
    reason = "the raw servers of that crate's tests, of which these need a part"
)]
mod support;
