//! Requests from many spawned tasks at once, on two worker threads.

use std::time::{Duration, Instant};

use benches::{Client, Pace, layers, requests, send_all};
use criterion::Criterion;
use tokio::runtime::Runtime;

/// How many tasks send at once.
const TASKS: u64 = 64;
/// How many requests one sends before its next ones are made: many for one spawn, and few enough for the caches.
const EACH: u64 = 128;

pub(crate) fn measure(criterion: &mut Criterion) {
    const PACE: Pace = Pace::OPEN;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");

    spawned(criterion, &runtime, "bare", layers::bare);
    spawned(criterion, &runtime, "tollgate", || layers::tollgate(PACE));
    spawned(criterion, &runtime, "tollgate_quanta", || {
        layers::tollgate_quanta(PACE)
    });
    spawned(criterion, &runtime, "governor", || layers::governor(PACE));
    spawned(criterion, &runtime, "governor_quanta", || {
        layers::governor_quanta(PACE)
    });
    spawned(criterion, &runtime, "leaky_bucket", || {
        layers::leaky_bucket(PACE)
    });
    spawned(criterion, &runtime, "throttle_net", || {
        layers::throttle_net(PACE)
    });
    spawned(criterion, &runtime, "tower_resilience", || {
        layers::tower_resilience(PACE)
    });
    spawned(criterion, &runtime, "tower_buffer_rate_limit", || {
        layers::tower_buffer_rate_limit(PACE)
    });
}

fn spawned<C: Client>(
    criterion: &mut Criterion,
    runtime: &Runtime,
    function: &str,
    client: impl FnOnce() -> C,
) {
    let client = {
        let _context = runtime.enter();
        client()
    };
    let mut group = criterion.benchmark_group("tasks");
    group.bench_function(function, |bencher| {
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let batch = left.min(TASKS * EACH);
                left -= batch;
                spent += send_from_tasks(runtime, &client, batch);
            }
            spent
        });
    });
    group.finish();
}

/// The time from the first spawn to the last answer of `count` requests.
#[expect(clippy::disallowed_methods, reason = "measures")]
fn send_from_tasks<C: Client>(runtime: &Runtime, client: &C, count: u64) -> Duration {
    let tasks = count.min(TASKS);
    let shares: Vec<_> = (0..tasks)
        .map(|task| count / tasks + u64::from(task < count % tasks))
        .map(|share| usize::try_from(share).expect("a small number"))
        .map(|share| (requests(share), Vec::with_capacity(share)))
        .collect();
    let mut handles = Vec::with_capacity(shares.len());
    let mut done = Vec::with_capacity(shares.len());
    let start = Instant::now();
    runtime.block_on(async {
        for (mut requests, mut kept) in shares {
            let mut client = client.clone();
            handles.push(tokio::spawn(async move {
                send_all(&mut client, &mut requests, &mut kept).await;
                (requests, kept)
            }));
        }
        for handle in handles {
            done.push(handle.await.expect("a task that ends"));
        }
    });
    start.elapsed()
}
