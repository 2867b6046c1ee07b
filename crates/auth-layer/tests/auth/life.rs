//! A token's life, from fresh to hard expiry, and what a failing source does to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use auth_layer::{Grant, Reason, SourceError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::{Instant, advance, sleep};

use crate::support::{
    SECOND, Supply, after, at_once, chain, client, is_permanent, never, reason, refused, send,
    token, wall,
};

#[tokio::test(start_paused = true)]
async fn a_due_token_is_served_while_one_renewal_runs_behind_it() {
    let supply = Supply::default();
    let (auth, _, client) = client(supply.steady(SECOND * 2, SECOND * 100));
    assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
    // Soft expiry lies 80 to 85 s after the fetch began, which was 2 s ago.
    advance(SECOND * 77).await;
    send(&client).await.expect("a token");
    assert_eq!(supply.fetches(), 1);
    advance(SECOND * 6).await;
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody waits");
    sleep(SECOND * 3).await;
    assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
    assert_eq!(supply.fetches(), 2);
    assert_eq!(
        auth.token("wallet")
            .expect("a token slot")
            .counts()
            .renewals,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_keeps_serving_until_hard_expiry_and_no_longer() {
    let supply = Supply::default();
    let down = Arc::new(AtomicBool::new(false));
    let slot = supply.slot({
        let down = Arc::clone(&down);
        move |n, _| {
            if down.load(Ordering::SeqCst) {
                return at_once(Err(SourceError::temporary("the endpoint is down")));
            }
            at_once(Ok(token(n).lifetime(SECOND * 100)))
        }
    });
    // At soft expiry a first try, then one every five seconds.
    let (auth, _, client) = client(slot.backoff(SECOND * 5, SECOND * 5).wait(SECOND * 3));
    let start = Instant::now();
    send(&client).await.expect("a token");
    down.store(true, Ordering::SeqCst);
    advance(SECOND * 86).await;
    while start.elapsed() < SECOND * 99 {
        assert_eq!(send(&client).await.expect("still served"), "Bearer t1");
        sleep(SECOND / 10).await;
    }
    // Failed at 86, 91 and 96 s; hard expiry is at 99 s, and the next try, at 101 s, within the three seconds' wait.
    assert_eq!(supply.fetches(), 4);
    let error = send(&client).await.expect_err("an outage");
    assert_eq!(refused(&error).reason(), Reason::BackingOff);
    assert_eq!(
        start.elapsed(),
        SECOND * 101,
        "one more try was worth the wait"
    );
    assert_eq!(
        chain(&*error),
        "credential slot `wallet`: the last fetch failed, and the next one is due too late for this request: \
         the request never left: the token source failed for now: the endpoint is down"
    );
    let again = Instant::now();
    assert_eq!(reason(&client).await, Reason::BackingOff);
    assert_eq!(again.elapsed(), Duration::ZERO, "refused at once");

    down.store(false, Ordering::SeqCst);
    sleep(SECOND * 5).await;
    assert_eq!(send(&client).await.expect("recovered"), "Bearer t6");
    let counts = auth.token("wallet").expect("a token slot").counts();
    assert_eq!(
        (counts.fetches, counts.failures, counts.renewals),
        (6, 4, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ended_while_the_machine_slept_is_not_sent() {
    let supply = Supply::default();
    let (jumped, now) = wall();
    let slot = supply.steady(SECOND, SECOND * 1800).wall_clock(now);
    let (_, _, client) = client(slot);
    assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
    // Asleep, the monotonic clock stands still. So it does when somebody sets the wall clock an hour ahead.
    jumped.store(3600, Ordering::SeqCst);
    assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
    assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
    assert_eq!(supply.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_set_back_an_hour_keeps_no_token_alive() {
    let supply = Supply::default();
    let (jumped, now) = wall();
    let slot = supply.steady(SECOND, SECOND * 1800).wall_clock(now);
    let (_, _, client) = client(slot);
    assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
    jumped.store(-3600, Ordering::SeqCst);
    assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
    advance(SECOND * 1798).await;
    assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
}

#[tokio::test(start_paused = true)]
async fn a_token_without_any_lifetime_left_is_a_failed_fetch() {
    for slow in [Duration::ZERO, SECOND * 2] {
        let supply = Supply::default();
        let lifetime = slow / 2;
        let slot = supply.slot(move |n, _| after(slow, Ok(token(n).lifetime(lifetime))));
        let (_, server, client) = client(slot.backoff(SECOND * 40, SECOND * 40));
        let error = send(&client).await.expect_err("nothing to send");
        assert_eq!(
            chain(&*error),
            "credential slot `wallet`: the last fetch failed, and the next one is due too late for this request: \
             the request never left: the source gave a token that has already expired"
        );
        assert_eq!((supply.fetches(), server.seen().len()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_of_a_second_serves_nine_tenths_of_it() {
    let supply = Supply::default();
    let (_, now) = wall();
    let (_, _, client) = client(supply.steady(Duration::ZERO, SECOND).wall_clock(now));
    assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
    advance(Duration::from_millis(799)).await;
    assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
    assert_eq!(supply.fetches(), 1);
    advance(Duration::from_millis(101)).await;
    assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
}

#[tokio::test(start_paused = true)]
async fn a_huge_lifetime_is_believed_for_a_year() {
    let supply = Supply::default();
    let (_, _, client) = client(supply.slot(|n, _| at_once(Ok(token(n).expires_in(u64::MAX)))));
    assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
    advance(SECOND * 3600 * 24 * 364).await;
    assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
    assert_eq!(supply.fetches(), 1);
    advance(SECOND * 3600 * 24).await;
    assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
}

#[tokio::test(start_paused = true)]
async fn exp_is_a_hint_where_no_lifetime_is_stated() {
    let jwt = |left: i64| {
        let claims = format!(r#"{{"exp":{}}}"#, 1_700_000_000 + left);
        format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims))
    };
    let used_after_two_minutes = async |grant: Grant| {
        let supply = Supply::default();
        let (_, now) = wall();
        let slot = supply.slot(move |_, _| at_once(Ok(grant.clone())));
        let (_, _, client) = client(slot.wall_clock(now));
        send(&client).await.expect("a token");
        advance(SECOND * 120).await;
        send(&client).await.expect("a token");
        supply.fetches() == 1
    };
    assert!(
        !used_after_two_minutes(Grant::new(jwt(60))).await,
        "believed"
    );
    assert!(
        used_after_two_minutes(Grant::new(jwt(3600))).await,
        "believed"
    );
    let stated = Grant::new(jwt(3600)).expires_in(60);
    assert!(!used_after_two_minutes(stated).await, "extends nothing");
    let stated = Grant::new(jwt(60)).expires_in(3600);
    assert!(
        used_after_two_minutes(stated).await,
        "the grant knows better"
    );
    assert!(
        used_after_two_minutes(Grant::new(jwt(-60))).await,
        "this clock may be wrong"
    );
    assert!(used_after_two_minutes(Grant::new("a.b.c")).await, "garbage");
}

#[tokio::test(start_paused = true)]
async fn a_permanent_refusal_is_remembered_until_something_changes() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| match n {
        1 => at_once(Err(SourceError::permanent("the grant was revoked"))),
        _ => at_once(Ok(token(n))),
    });
    let (auth, _, client) = client(slot);
    for _ in 0..100 {
        let error = send(&client).await.expect_err("refused");
        assert!(is_permanent(refused(&error).reason()));
        assert_eq!(
            chain(&*error),
            "credential slot `wallet`: the token source has refused for good; nothing is fetched until \
             `TokenSlot::changed` is called: the request never left: the token source refuses for good: \
             the grant was revoked"
        );
        sleep(SECOND * 3600).await;
    }
    assert_eq!(supply.fetches(), 1);
    auth.token("wallet").expect("a token slot").changed();
    assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
}

#[tokio::test(start_paused = true)]
async fn a_source_may_ask_for_a_longer_pause() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| match n {
        1 => at_once(Err(SourceError::temporary("busy").retry_after(SECOND * 20))),
        _ => at_once(Ok(token(n))),
    });
    let (_, _, client) = client(slot);
    let start = Instant::now();
    assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
    assert_eq!(start.elapsed(), SECOND * 20);
}

#[tokio::test(start_paused = true)]
async fn an_invalidated_token_is_fetched_anew_and_the_refresh_token_handed_on() {
    let supply = Supply::default();
    let slot = supply.slot(|n, fetch| {
        let carried = fetch
            .refresh_token()
            .map(|secret| secret.expose().to_owned());
        let grant = match n {
            1 => token(n).refresh_token("r1"),
            _ => Grant::new(carried.unwrap_or_default()),
        };
        at_once(Ok(grant))
    });
    let (auth, _, client) = client(slot);
    let wallet = auth.token("wallet").expect("a token slot");
    assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
    for _ in 0..2 {
        wallet.invalidate();
        assert_eq!(
            send(&client).await.expect("a token"),
            "Bearer r1",
            "kept where omitted"
        );
    }
    assert_eq!(supply.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_cause_of_a_pause_is_in_the_chain_and_quotes_no_token() {
    type Script = fn() -> crate::support::Answer;
    let scripts: [(Script, &str); 4] = [
        (
            || at_once(Ok(Grant::new("t1\n"))),
            "the source gave a token that cannot stand in a header: the secret contains a line break; trim what was read \
             from a file",
        ),
        (
            || Box::pin(async { panic!("broken") }),
            "the token source panicked",
        ),
        (never, "the token source did not answer in time"),
        (
            || {
                at_once(Err(SourceError::temporary(std::io::Error::other(
                    "no route to host",
                ))))
            },
            "the token source failed for now: no route to host",
        ),
    ];
    for (script, cause) in scripts {
        let supply = Supply::default();
        let slot = supply.slot(move |_, _| script());
        let (_, _, client) = client(slot.backoff(SECOND * 40, SECOND * 40));
        let error = send(&client).await.expect_err("no token");
        assert_eq!(
            chain(&*error),
            format!(
                "credential slot `wallet`: the last fetch failed, and the next one is due too late for this request: the \
                 request never left: {cause}"
            )
        );
    }
}
