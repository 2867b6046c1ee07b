//! Criterion as a harness of our cases.

use std::time::{Duration, Instant};

use benches::{Client, Harness, requests, send_all};
use criterion::Criterion;
use tokio::runtime::Runtime;

/// How many requests are made while the clock stands still.
const BATCH: u64 = 1024;

/// Measures by criterion; requests on a runtime of this thread alone.
pub(crate) struct Criteria<'a> {
    criterion: &'a mut Criterion,
    runtime: Runtime,
}

impl<'a> Criteria<'a> {
    pub(crate) fn new(criterion: &'a mut Criterion) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        Self { criterion, runtime }
    }
}

impl Harness for Criteria<'_> {
    fn op<T>(&mut self, group: &str, function: &str, mut op: impl FnMut() -> T) {
        let mut group = self.criterion.benchmark_group(group);
        group.bench_function(function, |bencher| bencher.iter(&mut op));
        group.finish();
    }

    fn request<C: Client>(&mut self, group: &str, function: &str, client: impl FnOnce() -> C) {
        let runtime = &self.runtime;
        let mut client = {
            let _context = runtime.enter();
            client()
        };
        let mut group = self.criterion.benchmark_group(group);
        group.bench_function(function, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                let mut left = iterations;
                while left > 0 {
                    let batch = left.min(BATCH);
                    left -= batch;
                    spent += pass(runtime, &mut client, batch);
                }
                spent
            });
        });
        group.finish();
    }
}

/// The time that `count` requests take.
#[expect(clippy::disallowed_methods, reason = "measures")]
fn pass<C: Client>(runtime: &Runtime, client: &mut C, count: u64) -> Duration {
    let count = usize::try_from(count).expect("a batch");
    let mut requests = requests(count);
    let mut kept = Vec::with_capacity(count);
    let start = Instant::now();
    runtime.block_on(send_all(client, &mut requests, &mut kept));
    start.elapsed()
}
