//! Many tasks that are dropped at any moment: no window of the server holds too many, and every place is accounted for.
#![cfg(not(loom))]

mod support;

use std::time::Duration;

use proptest::prelude::*;
use rate_layer::{Quota, RateLayer, SECOND, Start, Window};
use support::{MS, Server, request};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt};

const LIMIT: u32 = 7;
const GRACE: Duration = Duration::from_secs(10);

/// When a task starts its call, in what time it gives up, and how long the server takes.
type Task = (u64, u64, u64);

async fn storm(quota: Quota, tasks: Vec<Task>) {
    let window = Window::new(quota);
    let latencies = tasks.iter().map(|task| Duration::from_millis(task.2));
    let server = Server::with_latencies(latencies.chain([Duration::ZERO]));
    let client = RateLayer::new(window.clone())
        .max_wait(30 * SECOND)
        .layer(server.clone());
    let mut set = JoinSet::new();
    for (starts, gives_up, _) in tasks {
        let client = client.clone();
        set.spawn(async move {
            sleep(Duration::from_millis(starts)).await;
            let call = client.oneshot(request());
            let _ = timeout(Duration::from_millis(gives_up), call).await;
        });
    }
    set.join_all().await;

    let worst = server.worst_window(SECOND + 10 * MS, GRACE);
    assert!(worst <= LIMIT as usize, "{worst} in one window");
    let snapshot = window.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.waiting), (0, 0));
    let departed = server.departures().len() as u64;
    assert_eq!(
        snapshot.counts.admitted,
        departed + snapshot.counts.given_back
    );
    // Once the last has closed, all places are there again.
    server.answer_at_once();
    sleep(SECOND + 10 * MS + GRACE).await;
    let snapshot = window.snapshot();
    assert_eq!((snapshot.used, snapshot.next_free), (0, Duration::ZERO));
    let again: Vec<_> = (0..LIMIT)
        .map(|_| client.clone().oneshot(request()))
        .collect();
    let start = tokio::time::Instant::now();
    assert!(
        futures_util::future::join_all(again)
            .await
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(start.elapsed(), Duration::ZERO);
}

fn tasks() -> impl Strategy<Value = Vec<Task>> {
    let gives_up = prop_oneof![2 => 0_u64..200, 1 => 900_u64..1_200, 2 => 5_000_u64..40_000];
    let latency = prop_oneof![2 => Just(0), 4 => 1_u64..300, 1 => 900_u64..3_000];
    prop::collection::vec((0_u64..4_000, gives_up, latency), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn after_a_storm_of_cancellations_every_place_is_accounted_for(
        tasks in tasks(),
        full in any::<bool>(),
    ) {
        let start = if full { Start::Full } else { Start::Empty };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        runtime.block_on(storm(Quota::rolling(LIMIT, SECOND).start(start), tasks));
    }
}

/// In real time, on several threads, with aborts from outside.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads_no_place_is_lost_or_used_twice() {
    let quota = Quota::rolling(LIMIT, 30 * MS).grace(20 * MS);
    let window = Window::new(quota);
    let server = Server::with_latencies([Duration::ZERO, MS]).grace(20 * MS);
    let client = RateLayer::new(window.clone())
        .max_wait(60 * SECOND)
        .layer(server.clone());
    let tasks: Vec<_> = (0..300)
        .map(|_| tokio::spawn(client.clone().oneshot(request())))
        .collect();
    for task in tasks.iter().step_by(3) {
        tokio::task::yield_now().await;
        task.abort();
    }
    let mut served = 0;
    for task in tasks {
        match task.await {
            Ok(outcome) => {
                outcome.expect("served");
                served += 1;
            }
            Err(aborted) => assert!(aborted.is_cancelled()),
        }
    }
    assert!(served >= 200, "{served}");
    let snapshot = window.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.waiting), (0, 0));
    let worst = server.worst_window(30 * MS, 20 * MS);
    assert!(worst <= LIMIT as usize, "{worst} in one window");
}
