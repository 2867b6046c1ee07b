//! Criterion as a harness of our cases.

use std::time::{Duration, Instant};

use benches::{Client, Harness, requests, send_all};
use criterion::Criterion;
use tokio::runtime::Runtime;

/// How many requests are made while the clock stands still: few enough to be in the nearest cache when they are sent, as a
/// request is that has just been made.
const BATCH: u64 = 32;

/// The same for requests that are freed while the clock runs: few enough that all they free stays within reach of the thread. Of
/// one size, glibc keeps seven pieces so, and what comes of more depends on what the heap looks like by then.
const FREED_BATCH: u64 = 2;

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
            bencher.iter_custom(|iterations| runtime.block_on(pass(&mut client, iterations)));
        });
        group.finish();
    }

    fn call<Q>(
        &mut self,
        group: &str,
        function: &str,
        make: impl Fn() -> Q,
        mut send: impl AsyncFnMut(Q),
    ) {
        let runtime = &self.runtime;
        let mut group = self.criterion.benchmark_group(group);
        group.bench_function(function, |bencher| {
            bencher.iter_custom(|iterations| {
                runtime.block_on(send_each(&make, &mut send, iterations))
            });
        });
        group.finish();
    }
}

/// The time that `count` requests take, without that in which they are made.
#[expect(clippy::disallowed_methods, reason = "measures")]
async fn send_each<Q>(
    make: &impl Fn() -> Q,
    send: &mut impl AsyncFnMut(Q),
    count: u64,
) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let batch = left.min(FREED_BATCH);
        left -= batch;
        let requests: Vec<Q> = (0..batch).map(|_| make()).collect();
        let start = Instant::now();
        for request in requests {
            send(request).await;
        }
        spent += start.elapsed();
    }
    spent
}

/// The time that `count` requests take, without that in which they are made and freed.
#[expect(clippy::disallowed_methods, reason = "measures")]
async fn pass<C: Client>(client: &mut C, count: u64) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let batch = left.min(BATCH);
        left -= batch;
        let batch = usize::try_from(batch).expect("a small number");
        let mut requests = requests(batch);
        let mut kept = Vec::with_capacity(batch);
        let start = Instant::now();
        send_all(client, &mut requests, &mut kept).await;
        spent += start.elapsed();
    }
    spent
}
