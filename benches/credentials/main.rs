//! What it costs to put a credential on a request.
//!
//! `cargo bench -p benches --bench credentials`. The absolute times are the machine's; what compares is the ratio of two
//! functions in one run, each less `bare`.
//!
//! | group | what is measured |
//! | --- | --- |
//! | `static_key` | a GET passes through the layer, with a key that does not change, to a service that answers at once |
//! | `fresh_token` | the same with a token that renews itself, and is fresh |
//! | `within_a_stack` | `fresh_token` for requests that have their context already, as a layer further out leaves them |
//! | `credentials_contended` | `fresh_token` from two threads at once, the making of the requests included; time over requests |
//! | `soft_window` | a token that is fresh, and one that is due while its renewal runs behind the calls |
//!
//! # What is fair
//!
//! - Requests are made while the clock stands still, with eight headers each. They carry no context yet, but for
//!   `within_a_stack`: to make it is part of what our layers cost. The service frees the request while the clock runs.
//! - `context_alone` makes that context and does nothing else. With what `add_authorization` adds it is the least that a layer
//!   can cost which leaves a mark on a request and a header: three allocations, of which `http::Extensions` makes two for
//!   its table.
//! - `tollgate` is gate and attacher in one layer, `attach_only` the attacher alone: both check origin, host and the headers that
//!   are there already, and both look at the clocks for a token.
//! - `add_authorization` knows no origin and no end; it stands in both groups, since it has nothing else for a token.
//! - `lock_and_format` is written after kube's client: an asynchronous filter that locks what holds the token, looks whether it
//!   has ended, and makes the header value anew.

mod contended;
#[path = "../limiter/criteria.rs"]
mod criteria;
#[path = "../limiter/hammered.rs"]
mod hammered;
mod passing;

use criterion::{Criterion, criterion_group, criterion_main};

use crate::criteria::Criteria;

fn credentials(criterion: &mut Criterion) {
    passing::measure(&mut Criteria::new(criterion));
    contended::measure(criterion);
}

criterion_group!(benches, credentials);
criterion_main!(benches);
