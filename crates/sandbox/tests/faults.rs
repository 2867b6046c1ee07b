//! Each fault happens when it is asked for, shows in the report, and only then.

mod common;

use std::{error::Error, io, time::Duration};

use common::Client;
use sandbox::{Faults, Latency, Report, Torque, TorqueConfig};
use serde_json::json;
use tokio::{
    task::yield_now,
    time::{Instant, timeout},
};

const HOUR: Duration = Duration::from_secs(3600);
const KEY: &str = "sk_live_sandbox";

async fn with(faults: Faults) -> (Torque, Client) {
    let torque = Torque::start(TorqueConfig {
        faults,
        ..TorqueConfig::default()
    })
    .await
    .expect("a free port");
    let client = Client::new(torque.base_url());
    (torque, client)
}

fn feed(client: &Client) -> common::Call {
    client.get("/intelligence/feed").bearer(KEY)
}

fn trade(torque: &Torque, client: &Client) -> common::Call {
    let body = json!({ "clientTradeId": "t" });
    client
        .post("/execute/trades")
        .bearer(&torque.mint_wallet(HOUR))
        .json(body)
}

fn counted(report: &Report) -> u64 {
    report.keys.values().map(|key| key.counted).sum()
}

/// Waits until the server has seen something; ten seconds are for ever.
async fn until(torque: &Torque, seen: impl Fn(&Report) -> bool) {
    let waited = timeout(Duration::from_secs(10), async {
        while !seen(&torque.report()) {
            yield_now().await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("still not: {:?}", torque.report()));
}

fn is_reset(error: &(dyn Error + 'static)) -> bool {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    chain
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionReset)
}

#[tokio::test]
async fn latency_lies_before_and_after_the_moment_of_the_count() {
    let long = Latency::Fixed(Duration::from_secs(50));
    let (before, client) = with(Faults {
        latency_before: long,
        ..Faults::none()
    })
    .await;
    let call = tokio::spawn(feed(&client).try_send());
    until(&before, |report| report.requests == 1).await;
    assert_eq!(counted(&before.report()), 0);
    call.abort();

    let (after, client) = with(Faults {
        latency_after: long,
        ..Faults::none()
    })
    .await;
    let call = tokio::spawn(feed(&client).try_send());
    until(&after, |report| counted(report) == 1).await;
    assert!(after.report().statuses.is_empty());
    call.abort();
}

#[tokio::test]
async fn latency_takes_at_least_its_time() {
    let (_torque, client) = with(Faults {
        latency_before: Latency::Fixed(Duration::from_millis(20)),
        latency_after: Latency::Uniform(Duration::from_millis(20), Duration::from_millis(30)),
        ..Faults::none()
    })
    .await;
    let start = Instant::now();
    assert_eq!(feed(&client).send().await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn a_request_that_its_client_abandons_is_counted_and_executed_all_the_same() {
    let (torque, client) = with(Faults {
        latency_before: Latency::Fixed(Duration::from_millis(30)),
        ..Faults::none()
    })
    .await;
    let body = json!({ "channel": "merchant" });
    let call = tokio::spawn(
        client
            .post("/execute/trades")
            .bearer(KEY)
            .json(body)
            .try_send(),
    );
    until(&torque, |report| report.requests == 1).await;
    call.abort();
    until(&torque, |report| {
        counted(report) == 1 && report.trades_executed == 1
    })
    .await;
}

#[tokio::test]
async fn a_late_count_occupies_its_place_and_is_stamped_after_the_answer() {
    let torque = Torque::start(TorqueConfig {
        limit: 1,
        faults: Faults {
            count_late: Latency::Fixed(Duration::from_millis(200)),
            ..Faults::none()
        },
        ..TorqueConfig::default()
    })
    .await
    .expect("a free port");
    let client = Client::new(torque.base_url());
    assert_eq!(feed(&client).send().await.status, 200);
    assert_eq!(counted(&torque.report()), 0);
    assert_eq!(feed(&client).send().await.status, 429);
    until(&torque, |report| counted(report) == 1).await;
    assert_eq!(torque.report().peak_in_window, 1);
}

#[tokio::test]
async fn whole_seconds_make_the_wait_up_to_a_second_longer() {
    let wait = async |whole_seconds| {
        let torque = Torque::start(TorqueConfig {
            limit: 1,
            faults: Faults {
                whole_seconds,
                ..Faults::none()
            },
            ..TorqueConfig::default()
        })
        .await
        .expect("a free port");
        let client = Client::new(torque.base_url());
        feed(&client).send().await;
        let over = feed(&client).send().await;
        over.header("retry-after")
            .and_then(|s| s.parse::<u64>().ok())
            .expect("seconds")
    };
    assert_eq!(wait(false).await, 60);
    // 60 here too if the second ends between the two requests, so more than one try.
    let mut waits = [0; 4];
    for slot in &mut waits {
        *slot = wait(true).await;
    }
    assert!(waits.contains(&61), "{waits:?}");
}

#[tokio::test]
async fn a_server_error_is_counted_and_does_no_work() {
    let (torque, client) = with(Faults {
        server_error: 1.0,
        ..Faults::none()
    })
    .await;
    let failed = feed(&client).send().await;
    assert_eq!(
        (failed.status.as_u16(), failed.code().as_str()),
        (503, "INTELLIGENCE_UNAVAILABLE")
    );
    let failed = trade(&torque, &client).send().await;
    assert_eq!(
        (failed.status.as_u16(), failed.code().as_str()),
        (502, "JUPITER_ERROR")
    );
    let report = torque.report();
    assert_eq!((report.status_5xx, report.injected_5xx), (2, 2));
    assert_eq!((report.trades_executed, counted(&report)), (0, 1));
}

#[tokio::test]
async fn a_connection_dropped_before_the_count_leaves_no_trace_but_the_arrival() {
    for reset in [false, true] {
        let (torque, client) = with(Faults {
            drop_before: 1.0,
            reset,
            ..Faults::none()
        })
        .await;
        let error = trade(&torque, &client)
            .try_send()
            .await
            .expect_err("no connection, no answer");
        assert_eq!(is_reset(&*error), reset, "{error:?}");
        feed(&client)
            .try_send()
            .await
            .expect_err("no connection, no answer");
        let report = torque.report();
        assert_eq!((report.requests, report.dropped.before), (2, 2));
        assert_eq!((report.trades_executed, counted(&report)), (0, 0));
        assert!(report.statuses.is_empty());
    }
}

#[tokio::test]
async fn a_connection_dropped_during_the_work_does_not_stop_the_work() {
    let (torque, client) = with(Faults {
        drop_during: 1.0,
        latency_after: Latency::Fixed(Duration::from_millis(200)),
        ..Faults::none()
    })
    .await;
    trade(&torque, &client)
        .try_send()
        .await
        .expect_err("no connection, no answer");
    assert_eq!(torque.report().trades_executed, 0);
    until(&torque, |report| report.trades_executed == 1).await;
    assert_eq!(torque.report().dropped.during, 1);
}

#[tokio::test]
async fn a_server_that_has_stopped_has_finished_the_work_behind_dropped_connections() {
    let (torque, client) = with(Faults {
        drop_during: 1.0,
        latency_after: Latency::Fixed(Duration::from_millis(200)),
        ..Faults::none()
    })
    .await;
    trade(&torque, &client)
        .try_send()
        .await
        .expect_err("no connection, no answer");
    assert_eq!(torque.report().trades_executed, 0);
    torque.stop().await;
    assert_eq!(torque.report().trades_executed, 1);
}

#[tokio::test]
async fn a_connection_dropped_after_the_work_leaves_it_done() {
    let (torque, client) = with(Faults {
        drop_after: 1.0,
        reset: true,
        ..Faults::none()
    })
    .await;
    trade(&torque, &client)
        .try_send()
        .await
        .expect_err("no connection, no answer");
    let report = torque.report();
    assert_eq!(
        (
            report.trades_executed,
            report.dropped.after,
            report.statuses[&200]
        ),
        (1, 1, 1)
    );
    // The next one comes by a new connection, and is the same trade once more.
    torque.set_faults(Faults::none());
    assert_eq!(trade(&torque, &client).send().await.status, 200);
    assert_eq!(torque.report().duplicate_trades, 1);
}

#[tokio::test]
async fn a_retry_that_races_the_work_it_believes_lost_executes_once_under_its_key() {
    let (torque, client) = with(Faults {
        drop_during: 1.0,
        latency_after: Latency::Fixed(Duration::from_millis(100)),
        ..Faults::none()
    })
    .await;
    let keyed = || trade(&torque, &client).header("idempotency-key", "k");
    keyed()
        .try_send()
        .await
        .expect_err("no connection, no answer");
    torque.set_faults(Faults::none());
    assert_eq!(keyed().send().await.status, 200);
    until(&torque, |report| report.trades_replayed == 1).await;
    let report = torque.report();
    assert_eq!((report.trades_executed, report.duplicate_trades), (1, 0));
}

#[tokio::test]
async fn a_cut_answer_has_its_headers_and_half_of_its_body() {
    let (torque, client) = with(Faults {
        cut_body: 1.0,
        ..Faults::none()
    })
    .await;
    let mut socket = tokio::net::TcpStream::connect(torque.addr())
        .await
        .expect("it listens");
    let request = "GET /api/v1/capabilities HTTP/1.1\r\nhost: sandbox\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut socket, request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut socket, &mut answer)
        .await
        .expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("headers");
    let (_, announced) = head.split_once("content-length: ").expect("a length");
    let announced: usize = announced
        .lines()
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number");
    assert!(head.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(body.len(), announced / 2);
    feed(&client).try_send().await.expect_err("half an answer");
    assert_eq!(torque.report().dropped.cut, 2);
}

#[tokio::test]
async fn a_token_dies_early_whatever_its_exp_says() {
    let (torque, client) = with(Faults {
        expire_early: 1.0,
        expire_early_at: 0.5,
        ..Faults::none()
    })
    .await;
    let token = torque.mint_wallet(HOUR);
    let wallet = || client.get("/accounts/wallet").bearer(&token).send();
    assert_eq!(wallet().await.status, 200);
    torque.set_faults(Faults {
        expire_early: 1.0,
        expire_early_at: 0.0,
        ..Faults::none()
    });
    assert_eq!(wallet().await.code(), "INVALID_TOKEN");
    let report = torque.report();
    assert_eq!(
        (
            report.status_401,
            report.refused.expired_early,
            report.refused.expired
        ),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn a_fresh_token_is_rejected_each_time_or_never() {
    let (torque, client) = with(Faults {
        reject_fresh: 0.5,
        ..Faults::none()
    })
    .await;
    let mut rejected = 0;
    for _ in 0..60 {
        let token = torque.mint_wallet(HOUR);
        let wallet = || client.get("/accounts/wallet").bearer(&token).send();
        let (first, second) = (wallet().await.status, wallet().await.status);
        assert_eq!(first, second);
        rejected += u64::from(first == 401);
    }
    assert!((15..=45).contains(&rejected), "{rejected} of 60");
    assert_eq!(torque.report().refused.rejected_fresh, 2 * rejected);

    let token = torque.mint_wallet(HOUR);
    let wallet = || client.get("/accounts/wallet").bearer(&token).send();
    torque.reject_fresh_tokens(true);
    assert_eq!(wallet().await.status, 401);
    torque.reject_fresh_tokens(false);
    assert_eq!(wallet().await.status, 200);
}

#[tokio::test]
async fn a_clock_that_is_off_shows_in_the_date_and_in_what_has_expired() {
    let (torque, client) = with(Faults::none()).await;
    let token = torque.mint_wallet(HOUR);
    let wallet = || client.get("/accounts/wallet").bearer(&token).send();
    let date = |reply: &common::Reply| {
        httpdate::parse_http_date(reply.header("date").expect("a date")).expect("a date")
    };
    let right = wallet().await;
    torque.set_faults(Faults {
        clock_offset: 7200,
        ..Faults::none()
    });
    let ahead = wallet().await;
    assert_eq!((right.status.as_u16(), ahead.status.as_u16()), (200, 401));
    let off = date(&ahead).duration_since(date(&right)).expect("later");
    assert!((7199..=7260).contains(&off.as_secs()));
    torque.set_faults(Faults {
        clock_offset: -7200,
        ..Faults::none()
    });
    let behind = wallet().await;
    assert_eq!(behind.status, 200);
    assert!(date(&behind) < date(&right));
}

#[tokio::test]
async fn the_same_seed_draws_the_same_faults() {
    let statuses = async |seed| {
        let torque = Torque::start(TorqueConfig {
            seed,
            faults: Faults {
                server_error: 0.4,
                ..Faults::none()
            },
            ..TorqueConfig::default()
        })
        .await
        .expect("a free port");
        let client = Client::new(torque.base_url());
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(feed(&client).send().await.status.as_u16());
        }
        statuses
    };
    let first = statuses(7).await;
    assert_eq!(first, statuses(7).await);
    assert_ne!(first, statuses(8).await);
}

#[tokio::test]
async fn faults_are_set_over_http_and_never_touch_the_sandbox_routes() {
    let (torque, client) = with(Faults::none()).await;
    let url = format!("http://{}/__sandbox/faults", torque.addr());
    let set = |body| client.post(&url).json(body).send();
    let wanted =
        json!({ "drop_before": 1.0, "latency_before": "1ms..2ms", "latency_after": "80ms/1500ms" });
    assert_eq!(set(wanted).await.status, 200);
    let faults = torque.faults();
    assert_eq!(
        faults.latency_before,
        Latency::Uniform(Duration::from_millis(1), Duration::from_millis(2))
    );
    feed(&client).try_send().await.expect_err("dropped");
    let shown: Faults = serde_json::from_str(&client.get(&url).send().await.text).expect("faults");
    assert_eq!(shown, faults);
    for wrong in [
        json!({ "drop_befor": 1 }),
        json!({ "latency_before": "soon" }),
        json!({ "drop_before": 1.5 }),
        json!({ "drop_during": 0.6, "drop_after": 0.6 }),
        json!([]),
    ] {
        assert_eq!(set(wrong).await.code(), "SANDBOX");
    }
    assert_eq!(torque.faults(), faults);
    assert_eq!(set(json!({})).await.status, 200);
    assert_eq!(torque.faults(), Faults::none());
    assert_eq!(torque.report().requests, 1);
}

#[tokio::test]
async fn the_counters_agree_with_each_other_and_with_the_client() {
    let (torque, client) = with(Faults {
        latency_before: Latency::Uniform(Duration::ZERO, Duration::from_millis(3)),
        latency_after: Latency::Uniform(Duration::ZERO, Duration::from_millis(3)),
        server_error: 0.1,
        drop_before: 0.1,
        drop_during: 0.1,
        drop_after: 0.1,
        cut_body: 0.1,
        reject_fresh: 0.3,
        ..Faults::none()
    })
    .await;
    let calls = (0..400u32).map(|n| match n % 4 {
        0 => client.get("/capabilities").try_send(),
        1 => feed(&client).try_send(),
        2 => client.get("/nowhere").bearer("?").try_send(),
        _ => {
            let body = json!({ "clientTradeId": n });
            client
                .post("/execute/trades")
                .bearer(&torque.mint_wallet(HOUR))
                .json(body)
                .try_send()
        }
    });
    let replies = futures_util::future::join_all(calls).await;
    let answered = replies.iter().flatten().count() as u64;
    until(&torque, |report| {
        report.statuses.values().sum::<u64>() + report.dropped.before == 400
    })
    .await;
    let report = torque.report();
    assert_eq!(report.requests, 400);
    assert_eq!(
        report
            .routes
            .values()
            .flat_map(|by| by.values())
            .sum::<u64>(),
        400
    );
    assert_eq!(report.credentials.values().sum::<u64>(), 400);
    assert_eq!(answered + report.dropped.total(), 400);
    assert_eq!(
        report.status_401,
        report.refused.rejected_fresh + report.refused.wrong
    );
    assert_eq!(report.status_5xx, report.injected_5xx);
    assert_eq!(
        (report.trades_executed, report.duplicate_trades),
        (report.trades_distinct, 0)
    );
    assert!(report.peak_in_window <= 100 && report.peak_in_window == counted(&report));
    assert!(report.dropped.total() > 80 && report.injected_5xx > 15 && report.status_401 > 10);
}

#[tokio::test]
async fn a_late_server_error_hides_that_the_work_was_done() {
    let (torque, client) = with(Faults {
        server_error_after: 1.0,
        ..Faults::none()
    })
    .await;
    let trade = trade(&torque, &client).header("idempotency-key", "k");
    let failed = trade.send().await;
    assert_eq!(
        (failed.status.as_u16(), failed.code().as_str()),
        (502, "JUPITER_ERROR")
    );
    let report = torque.report();
    assert_eq!((report.status_5xx, report.injected_5xx), (1, 1));
    assert_eq!(report.trades_executed, 1);
    assert_eq!(
        (torque.trade("t").arrived, torque.trade("t").executed),
        (1, 1)
    );
}

#[tokio::test]
async fn a_retired_connection_answers_and_takes_no_more() {
    let (torque, client) = with(Faults {
        retire: 1.0,
        ..Faults::none()
    })
    .await;
    for retired in 1..=3 {
        let answer = feed(&client).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(torque.report().retired, retired);
    }
    // Over HTTP/2 it says GOAWAY, and whatever the client makes of that, nothing is lost.
    let client = Client::http2(torque.base_url());
    for retired in 4..=6 {
        assert_eq!(feed(&client).send().await.status, 200);
        assert_eq!(torque.report().retired, retired);
    }
    assert_eq!(torque.report().requests, 6);
}

#[tokio::test]
async fn a_trade_that_is_dropped_before_its_work_has_arrived_and_is_not_executed() {
    let (torque, client) = with(Faults {
        drop_before: 1.0,
        ..Faults::none()
    })
    .await;
    let call = trade(&torque, &client).try_send();
    call.await.expect_err("dropped");
    assert_eq!(
        (torque.trade("t").arrived, torque.trade("t").executed),
        (1, 0)
    );
    assert_eq!(torque.report().trades_distinct, 0);
    assert_eq!(torque.trade("another"), sandbox::TradeReport::default());
}
