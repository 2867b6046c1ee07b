//! What a decision costs, and what a layer adds to a service that does nothing.
//!
//! `cargo bench -p benches --bench limiter`. The absolute times are the machine's; what compares is the ratio of two
//! functions in one run.
//!
//! | group | what is measured |
//! | --- | --- |
//! | `admit` | a place is taken, where there is always one |
//! | `reject` | there is none, and the limiter says when, where it can |
//! | `pair` | a place is taken and the request answered; where a limiter knows no answers, the same as `admit` |
//! | `keyed_1k`, `keyed_100k` | `pair` by one of so many keys, in an order that no cache can guess |
//! | `layer` | a request passes through the layer to a service that answers at once |
//! | `tasks` | the same from 64 spawned tasks at once, on two worker threads; time over requests |
//! | `contended` | `pair` on one limiter from two threads at once; time over operations |
//!
//! # What is fair
//!
//! - All read `std::time::Instant`, but for `governor_quanta`, which is `governor` as it comes.
//! - Requests are made, and what is left of them is freed, while the clock stands still. All carry the context that our
//!   layer looks for; where it is not there yet, it costs the layer two allocations.
//! - A place frees after 5 µs, so that each limiter that keeps a log also clears it: one entry comes and one goes.
//! - `leaky_bucket` is fair, its default; unfair it would be faster. `throttle_net` and `tower_resilience` keep sliding logs,
//!   which is the promise that comes nearest to ours. `throttle_net` has no log by key, so that `keyed_…` are its buckets.
//! - `tower_resilience` admits in the future, its default and what ours does. `tower_resilience_backpressure` is the same
//!   told to admit in `poll_ready`: cheaper, but a service that is ready then keeps its permit for as long as it likes.
//! - `tower_buffer_rate_limit` is tower's `RateLimit` behind a `Buffer`, since it cannot be shared otherwise.

mod admit;
mod contended;
mod criteria;
mod hammered;
mod keyed;
mod layer;
mod pair;
mod reject;
mod tasks;

use criterion::{Criterion, criterion_group, criterion_main};

use crate::criteria::Criteria;

fn limiter(criterion: &mut Criterion) {
    let mut criteria = Criteria::new(criterion);
    admit::measure(&mut criteria);
    reject::measure(&mut criteria);
    pair::measure(&mut criteria);
    keyed::measure(&mut criteria);
    layer::measure(&mut criteria);
    tasks::measure(criterion);
    contended::measure(criterion);
}

criterion_group!(benches, limiter);
criterion_main!(benches);
