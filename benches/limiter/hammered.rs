//! Two threads that do the same at once.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;

/// Has this thread and one other do half of the work each. `op` must not panic.
pub(crate) fn hammered<T>(
    criterion: &mut Criterion,
    group: &str,
    function: &str,
    op: impl Fn() -> T + Sync,
) {
    let half = AtomicU64::new(0);
    let (begin, end) = (Barrier::new(2), Barrier::new(2));
    let work = |count: u64| {
        for _ in 0..count {
            black_box(op());
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                begin.wait();
                match half.load(Ordering::Relaxed) {
                    0 => break,
                    count => work(count),
                }
                end.wait();
            }
        });
        let mut group = criterion.benchmark_group(group);
        group.bench_function(function, |bencher| {
            bencher.iter_custom(|iterations| {
                let count = iterations.div_ceil(2);
                half.store(count, Ordering::Relaxed);
                let both = together(&begin, &end, || work(count));
                // Where they are odd, one more was done.
                both.mul_f64(iterations as f64 / (2 * count) as f64)
            });
        });
        group.finish();
        half.store(0, Ordering::Relaxed);
        begin.wait();
    });
}

/// The time from when both begin until both have ended.
#[expect(clippy::disallowed_methods, reason = "measures")]
fn together(begin: &Barrier, end: &Barrier, work: impl FnOnce()) -> Duration {
    begin.wait();
    let start = Instant::now();
    work();
    end.wait();
    start.elapsed()
}
