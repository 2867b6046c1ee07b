//! Clocks that jump at the worst moment, and lifetimes that servers state or do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use auth_layer::{Auth, Grant, SourceError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use call_context::BoxError;
use http::header::DATE;
use http::{Request, Response};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{SECOND, Supply, after, at_once, client, request, send, token, wall};

const HOUR: i64 = 3600;
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps_during_a_fetch_costs_one_more_fetch_at_the_most() {
    for (jump, fetches) in [(HOUR, 2), (-HOUR, 1)] {
        let supply = Supply::default();
        let (jumped, now) = wall();
        let during = Arc::clone(&jumped);
        let slot = supply.slot(move |n, _| {
            let during = Arc::clone(&during);
            Box::pin(async move {
                sleep(SECOND).await;
                if n == 1 {
                    during.store(jump, Ordering::SeqCst);
                }
                Ok(token(n).lifetime(SECOND * 1800))
            })
        });
        let slot = slot.wall_clock(now).backoff(SECOND, SECOND);
        let (_, _, client) = client(slot);
        let start = Instant::now();
        let last = format!("Bearer t{fetches}");
        assert_eq!(send(&client).await.expect("a token"), last, "by {jump}");
        // Asleep for an hour or not, nobody can tell: the token that came may have ended, and is not sent.
        let pause = SECOND * u32::try_from(fetches - 1).expect("small");
        assert_eq!(start.elapsed(), SECOND + pause * 2, "by {jump}");
        advance(SECOND * 1000).await;
        assert_eq!(send(&client).await.expect("a token"), last, "by {jump}");
        assert_eq!(supply.fetches(), fetches, "by {jump}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps_during_a_pause_changes_nothing_about_it() {
    for jump in [HOUR, -HOUR] {
        let supply = Supply::default();
        let (jumped, now) = wall();
        let slot = supply.slot(|n, _| match n {
            1 => at_once(Err(SourceError::temporary("down"))),
            _ => at_once(Ok(token(n).lifetime(SECOND * 1800))),
        });
        let (_, _, client) = client(slot.wall_clock(now).backoff(SECOND * 20, SECOND * 20));
        let start = Instant::now();
        let waiting = tokio::spawn({
            let client = client.clone();
            async move { send(&client).await }
        });
        sleep(SECOND).await;
        jumped.store(jump, Ordering::SeqCst);
        let token = waiting.await.expect("no panic").expect("a token");
        assert_eq!(
            (token.as_str(), start.elapsed()),
            ("Bearer t2", SECOND * 20)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps_to_and_fro_ends_no_token_twice() {
    let supply = Supply::default();
    let (jumped, now) = wall();
    let slot = supply.steady(Duration::ZERO, SECOND * 1800).wall_clock(now);
    let (_, _, client) = client(slot);
    // Ahead: the first token may have ended. Back, ahead and back again: the second may not have.
    for (jump, expected) in [
        (0, "Bearer t1"),
        (HOUR, "Bearer t2"),
        (0, "Bearer t2"),
        (HOUR, "Bearer t2"),
        (-HOUR, "Bearer t2"),
    ] {
        jumped.store(jump, Ordering::SeqCst);
        assert_eq!(send(&client).await.expect("a token"), expected, "{jump}");
    }
    assert_eq!(supply.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_end_nobody_has_told_is_used_until_the_server_refuses_it() {
    let supply = Supply::default();
    let (auth, server, client) = client(supply.slot(|n, _| at_once(Ok(token(n)))));
    for _ in 0..10 {
        assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
        advance(DAY * 400).await;
    }
    assert_eq!(supply.fetches(), 1);
    let wallet = auth.token("wallet").expect("a token slot");
    assert_eq!(wallet.current().and_then(|token| token.remaining()), None);
    server.refuse("t1");
    assert_eq!(send(&client).await.expect("the 401"), "Bearer t1");
    assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
    assert_eq!(supply.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn stated_lifetimes_end_when_they_say_and_ten_years_after_one() {
    const YEAR: u64 = 365 * 24 * 3600;
    for (seconds, last_ms) in [
        (1, 899),
        (2, 1_799),
        (60, 58_999),
        (3600, 3_598_999),
        (10 * YEAR, (YEAR - 1) * 1000 - 1),
        (u64::MAX, (YEAR - 1) * 1000 - 1),
    ] {
        let supply = Supply::default();
        let (_, now) = wall();
        let slot = supply.slot(move |n, _| match n {
            1 => at_once(Ok(token(n).expires_in(seconds))),
            _ => after(SECOND, Ok(Grant::new("next"))),
        });
        // Without a soft window, so that the last moment can be seen.
        let (_, _, client) = client(slot.wall_clock(now).soft(Duration::ZERO));
        assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
        advance(Duration::from_millis(last_ms)).await;
        assert_eq!(
            send(&client).await.expect("a token"),
            "Bearer t1",
            "{seconds}"
        );
        assert_eq!(supply.fetches(), 1, "{seconds}");
        advance(Duration::from_millis(1)).await;
        assert_eq!(
            send(&client).await.expect("a token"),
            "Bearer next",
            "{seconds}"
        );
    }
}

/// Seconds since 1970 by a clock that is right.
fn right(start: Instant) -> u64 {
    1_700_000_000 + start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lies_about_the_time_causes_no_storm_of_fetches() {
    // How many seconds the token has yet to live, by the time that the server says it is. A second is believed, and renewed behind.
    for (left, expected) in [
        (2, 20..=26),
        (1, 1..=1),
        (0, 1..=1),
        (-3600, 1..=1),
        (99, 1..=1),
        (1_700_000_000, 1..=1),
    ] {
        let start = Instant::now();
        let (_, now) = wall();
        let supply = Supply::default();
        let ends = Arc::<AtomicU64>::default();
        let newest = Arc::clone(&ends);
        let slot = supply.slot(move |_, _| {
            let end = right(start) + 100;
            newest.store(end, Ordering::SeqCst);
            let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{end}}}"#));
            at_once(Ok(Grant::new(format!("e30.{claims}.x"))))
        });
        let auth = Auth::single(slot.wall_clock(now)).expect("a valid slot");
        let api = service_fn(move |_: Request<String>| {
            let date = ends.load(Ordering::SeqCst).checked_add_signed(-left);
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(date.expect("after 1970"));
            let answer = Response::builder().header(DATE, httpdate::fmt_http_date(date));
            let answer = answer.body(String::new());
            async move { Ok::<_, BoxError>(answer?) }
        });
        let client = auth.layer().layer(api);
        // A request a millisecond, for twenty seconds.
        for _ in 0..20_000 {
            let answer = client.clone().oneshot(request()).await;
            answer.expect("an answer");
            sleep(SECOND / 1000).await;
        }
        let fetches = supply.fetches();
        assert!(expected.contains(&fetches), "{left}: {fetches}");
    }
}
