//! A budget gains what one success is worth, and loses what one retry costs.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use retry_layer::Budget;
use tower::retry::budget::{Budget as _, TpsBudget};

use crate::hammered::hammered;

pub(crate) fn measure(criterion: &mut Criterion) {
    each(criterion, "tollgate", {
        let (budget, now) = (ours(), now());
        move || {
            budget.deposit(black_box(now));
            budget.withdraw(black_box(now))
        }
    });
    each(criterion, "tollgate_and_clock", {
        let budget = ours();
        move || {
            budget.deposit(now());
            budget.withdraw(now())
        }
    });
    each(criterion, "tower_tps", {
        let budget = TpsBudget::new(Duration::from_secs(10), 10, 1.0);
        move || {
            budget.deposit();
            budget.withdraw()
        }
    });
}

fn each(criterion: &mut Criterion, function: &str, op: impl Fn() -> bool + Sync) {
    let mut group = criterion.benchmark_group("budget");
    group.bench_function(function, |bencher| bencher.iter(&op));
    group.finish();
    hammered(criterion, "budget_2_threads", function, op);
}

/// With a deposit that is worth a withdrawal.
fn ours() -> Budget {
    Budget::new(100).per_success(1.0).per_second(0.1)
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a layer does for its budget"
)]
fn now() -> Instant {
    Instant::now()
}
