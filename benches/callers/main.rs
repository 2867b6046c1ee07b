//! How long callers wait who come to a slot without a token: one fetch for all of them, and then each is on its way.
//!
//! `cargo bench -p benches --bench callers [-- --json] [--rounds 21]`. In real time, on two worker threads: 1000 tasks send
//! a request each; the token takes 50 ms. *Late* is the time from the moment at which the source hands the token over
//! until the last request has been answered, by a service that answers at once.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use benches::calls::{answer_call, get_empty};
use benches::{Flags, credentials};
use serde_json::json;
use tokio::runtime::Runtime;
use tower::{Layer, ServiceExt, service_fn};

const LATENCY: Duration = Duration::from_millis(50);

/// What one round has shown.
#[derive(Clone, Copy, Debug)]
struct Round {
    fetches: u64,
    late: Duration,
}

fn main() -> ExitCode {
    let flags = match Flags::read() {
        Ok(flags) => flags,
        Err(error) => {
            eprintln!("callers: {error}");
            return ExitCode::FAILURE;
        }
    };
    let callers = if flags.test { 20 } else { 1000 };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let rounds = flags.rounds.unwrap_or(if flags.test { 1 } else { 21 });
    let mut rounds: Vec<Round> = (0..rounds).map(|_| round(&runtime, callers)).collect();
    rounds.sort_by_key(|round| round.late);
    let Some(median) = rounds.get(rounds.len() / 2) else {
        eprintln!(
            "callers: no rounds, so nothing was measured; leave `--rounds` out, or ask for one at least"
        );
        return ExitCode::FAILURE;
    };
    let fetches = rounds.iter().map(|round| round.fetches).max().unwrap_or(0);
    let late_ms = median.late.as_secs_f64() * 1e3;
    if flags.json {
        let report = json!({
            "callers": callers,
            "rounds": rounds.len(),
            "token_requests": fetches,
            "last_caller_late_ms": late_ms,
        });
        println!("{report:#}");
    } else {
        println!(
            "{callers} callers on an empty slot, median of {} rounds\n",
            rounds.len()
        );
        println!("{:>16}{:>24}", "token requests", "last caller late by");
        println!("{fetches:>16}{:>21.2} ms", late_ms);
    }
    ExitCode::SUCCESS
}

#[expect(clippy::disallowed_methods, reason = "measures")]
fn round(runtime: &Runtime, callers: usize) -> Round {
    static HANDED_OVER: Mutex<Option<Instant>> = Mutex::new(None);
    let (auth, fetches) = credentials::empty(LATENCY, || {
        *HANDED_OVER.lock().expect("no panic") = Some(Instant::now());
    });
    let last = runtime.block_on(async {
        let client = auth.layer().layer(service_fn(answer_call));
        let calls: Vec<_> = (0..callers)
            .map(|_| {
                let call = client.clone().oneshot(get_empty());
                tokio::spawn(async move {
                    let outcome = call.await;
                    (outcome.is_ok(), Instant::now())
                })
            })
            .collect();
        let mut last = None;
        // One after the other: whoever asks which is done first is woken by each of them, on the cores that they need.
        for call in calls {
            let (answered, at) = call.await.expect("no panic");
            assert!(answered, "a caller was turned away");
            last = last.max(Some(at));
        }
        last.expect("some callers")
    });
    let handed_over = HANDED_OVER.lock().expect("no panic");
    let handed_over = handed_over.expect("the source has handed a token over");
    Round {
        fetches: fetches.load(Ordering::Relaxed),
        late: last.saturating_duration_since(handed_over),
    }
}
