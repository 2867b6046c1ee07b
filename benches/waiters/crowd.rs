//! A crowd of requests that wait, and what it costs to let all of them through.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use benches::{Client, Pace, requests, send_all};
use cpu_time::ProcessTime;
use http::Request;
use tokio::sync::Notify;
use tower::ServiceExt;

/// No limiter needs longer than that, or else what it has done by then counts.
const LONGEST: Duration = Duration::from_secs(60);

/// So many requests at once, and the pace at which they are let through.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) waiters: usize,
    pub(crate) pace: Pace,
}

/// What it cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) granted: usize,
    pub(crate) micros_a_grant: f64,
    pub(crate) polls_a_grant: f64,
    pub(crate) out_of_order: f64,
}

/// What the tasks share.
#[derive(Default)]
struct Tally {
    /// How many have come.
    came: AtomicUsize,
    polls: AtomicU64,
    /// The requests by their numbers, in the order in which they were answered.
    served: Mutex<Vec<usize>>,
    all: Notify,
}

impl Crowd {
    /// Lets the crowd through the client that `client` makes.
    pub(crate) fn pass<C: Client>(&self, client: impl FnOnce() -> C) -> Cost {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut client = client();
            self.use_up(&mut client).await;
            let tally = Arc::new(Tally::default());
            let requests = requests(self.waiters);
            let start = ProcessTime::now();
            for request in requests {
                let client = client.clone();
                tokio::spawn(wait(client, request, self.waiters, tally.clone()));
            }
            // What is late is not counted, but reported: see `granted`.
            let _ = tokio::time::timeout(LONGEST, tally.all.notified()).await;
            self.cost(start.elapsed(), &tally)
        })
    }

    /// Takes what is free at the start, so that everybody waits.
    async fn use_up<C: Client>(&self, client: &mut C) {
        let count = usize::try_from(self.pace.limit).expect("a small number");
        send_all(client, &mut requests(count), &mut Vec::new()).await;
    }

    fn cost(&self, cpu: Duration, tally: &Tally) -> Cost {
        let served = tally.served.lock().expect("no task has panicked");
        let window = usize::try_from(self.pace.limit).expect("a small number");
        let strayed = served
            .iter()
            .enumerate()
            .filter(|(rank, number)| rank.abs_diff(**number) > window)
            .count();
        let grants = served.len() as f64;
        Cost {
            granted: served.len(),
            micros_a_grant: cpu.as_secs_f64() * 1e6 / grants,
            polls_a_grant: tally.polls.load(Ordering::Relaxed) as f64 / grants,
            out_of_order: strayed as f64 / grants,
        }
    }
}

async fn wait<C: Client>(client: C, request: Request<()>, waiters: usize, tally: Arc<Tally>) {
    let number = tally.came.fetch_add(1, Ordering::Relaxed);
    let mut call = pin!(client.oneshot(request));
    let outcome = poll_fn(|cx| {
        tally.polls.fetch_add(1, Ordering::Relaxed);
        call.as_mut().poll(cx)
    })
    .await;
    outcome.map_err(Into::into).expect("an answer");
    let mut served = tally.served.lock().expect("no task has panicked");
    served.push(number);
    if served.len() == waiters {
        tally.all.notify_one();
    }
}
