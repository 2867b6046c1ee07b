//! What a layer that retries costs where nothing needs a retry, and what its budget does.
//!
//! `cargo bench -p benches --bench retry`. The absolute times are the machine's; what compares is the ratio of two
//! functions in one run.
//!
//! | group | what is measured |
//! | --- | --- |
//! | `get_empty` | a GET without a body passes through the layer to a service that answers at once |
//! | `post_1k` | the same for a POST of 1 KiB, without an idempotency key |
//! | `budget` | one deposit and one withdrawal |
//! | `budget_2_threads` | the same on one budget from two threads at once; time over operations |
//!
//! # What is fair
//!
//! - Requests are made while the clock stands still, with eight headers each: four of constants, four with values of
//!   their own. They carry no context yet: to make it is part of what our layer costs.
//! - The service frees the request while the clock runs. To copy a value that nobody has shared so far makes freeing the
//!   original dearer too.
//! - `tower_retry_clone` has the policy that the documentation of tower's budgets shows, with its default `TpsBudget`;
//!   `tower_retry_no_clone` is the same without the copy. Neither looks at the response.
//! - `tollgate_off` is our layer with one attempt.
//! - `reqwest_retry` has nothing below it but a middleware that answers; `reqwest_bare` is that without the retries, so that
//!   what is added can be told.
//! - `tower_resilience` has no budget, its default.
//! - In `budget`, a deposit is worth a withdrawal, so that both always change something. Tower's budget reads the clock in each of
//!   them. Ours is told the time by the layer, which needs it anyway: `tollgate` is told. `tollgate_and_clock` reads the
//!   clock for each of the two as well.

mod budget;
#[path = "../limiter/criteria.rs"]
mod criteria;
#[path = "../limiter/hammered.rs"]
mod hammered;
mod passing;

use criterion::{Criterion, criterion_group, criterion_main};

use crate::criteria::Criteria;

fn retry(criterion: &mut Criterion) {
    let mut criteria = Criteria::new(criterion);
    passing::measure(&mut criteria);
    budget::measure(criterion);
}

criterion_group!(benches, retry);
criterion_main!(benches);
