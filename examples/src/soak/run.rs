//! A soak from its start to its end.

use std::net::Ipv4Addr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use http::StatusCode;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tollgate::context::BoxError;
use tollgate::{Quota, Window};
use tower::ServiceExt;

use crate::soak::args::Args;
use crate::soak::callers::{Call, Caller};
use crate::soak::log::Log;
use crate::soak::report::{Places, Report};
use crate::soak::server::Server;
use crate::soak::tally::Tally;
use crate::soak::weather::Weather;
use crate::soak::wire::{self, Wire};

/// How many requests the server allows in a window.
pub const LIMIT: u32 = 50;
/// The server's window.
pub const WINDOW: Duration = Duration::from_secs(5);
/// How long after a request was given up the server may count it: what [`LATEST`](crate::soak::weather::LATEST) bounds, and
/// a second for a busy machine.
pub const GRACE: Duration = Duration::from_secs(3);
/// How long a call may be without headers. One in thirty is longer.
const ANSWER_WITHIN: Duration = Duration::from_millis(600);
/// How many callers call one by one: so many that some always wait.
const CALLERS: u64 = 80;

/// Soaks, and reports.
///
/// # Errors
///
/// Where no loopback port is to be had.
pub async fn run(args: Args) -> Result<Report, BoxError> {
    let log = Log::new(LIMIT as usize, WINDOW);
    let server = Server::start(log, Weather::bad(args.seed)).await?;
    // Bound, so that nobody else has the port, and not listening, so that nobody answers.
    let nobody = TcpSocket::new_v4()?;
    nobody.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let nowhere = nobody.local_addr()?;
    let quota = Quota::rolling(LIMIT, WINDOW).grace(GRACE);
    let window = Window::new(quota);
    let (wire, tally) = (Arc::new(Wire::default()), Arc::new(Tally::default()));
    let layer = wire::layer(&window, args.without_rate)
        .answer_within(ANSWER_WITHIN)
        .max_wait(WINDOW * 12);
    let client = wire::client(&layer, &wire);

    let (undertaker, calls) = mpsc::channel::<Call>();
    let counts = Arc::clone(&tally);
    let buries = thread::spawn(move || {
        for call in calls {
            drop(call);
            counts.dropped_elsewhere();
        }
    });
    let mut dice = Rng::with_seed(args.seed);
    let mut caller = || Caller {
        client: client.clone(),
        server: server.addr(),
        nowhere,
        tally: Arc::clone(&tally),
        undertaker: undertaker.clone(),
        dice: dice.fork(),
    };
    if !args.json {
        eprintln!(
            "{} s are under way; the report follows",
            args.lasts.as_secs()
        );
    }
    let start = Instant::now();
    let mut callers = JoinSet::new();
    callers.spawn(caller().call_by_fours());
    for _ in 0..CALLERS {
        callers.spawn(caller().call_one_by_one());
    }
    sleep(args.lasts).await;
    let elapsed = start.elapsed();
    let accepted = server.seen().log.counted().len();
    // All that is under way is given up at once.
    callers.abort_all();
    let mut panicked = 0_u64;
    while let Some(outcome) = callers.join_next().await {
        panicked += u64::from(outcome.is_err_and(|error| error.is_panic()));
    }
    drop(undertaker);
    let _ = buries.join();

    let at_the_end = window.snapshot();
    sleep(quota.hold() + GRACE).await;
    let later = window.snapshot();
    // A last volley: as many calls as there are places, none of which may wait, or be rejected.
    server.calm_down();
    let volley = wire::client(&layer.refuse(), &wire);
    let shots = (0..LIMIT).map(|_| volley.clone().oneshot(wire::request(server.addr(), 0).0));
    let outcomes = futures_util::future::join_all(shots).await;
    let hit = |status: &StatusCode| status.is_success();
    let served = outcomes.iter().flatten().map(|answer| answer.status());
    let places = Places {
        in_flight: at_the_end.in_flight,
        waiting: at_the_end.waiting,
        still_taken: later.used + later.in_flight,
        served_at_once: served.filter(hit).count(),
        ledger: window.snapshot().counts,
        departed: wire.departed(),
        answered: wire.answered(),
    };
    Ok(Report::new(
        args,
        &server.seen(),
        tally.endings(),
        places,
        accepted,
        panicked,
        elapsed,
    ))
}
