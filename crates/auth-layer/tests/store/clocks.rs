//! Wall clocks that jump, between processes and in one.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use auth_layer::store::{MemoryStore, NeedsHuman, Stored};
use auth_layer::{Fetch, Grant, SourceError};
use tokio::time::{Instant, sleep};

use crate::commons::{Issuer, Process, Shelf, scripted};
use crate::support::{Answer, SECOND, at_once, send, wall};

/// A process whose store goes by a clock of its own that is ahead by so many seconds.
fn ahead(issuer: &Issuer, shelf: &Shelf, seconds: i64) -> Process {
    let (jumped, now) = wall();
    jumped.store(seconds, Ordering::SeqCst);
    let take = issuer.clone();
    let source = scripted(move |_, fetch| at_once(take.take(&fetch)));
    Process::slot(Stored::new(source, shelf.clone()).wall_clock(now), |slot| {
        slot.soft(Duration::ZERO)
    })
}

#[tokio::test(start_paused = true)]
async fn a_stored_token_is_adopted_only_while_the_wall_clock_says_that_it_lives() {
    for (seconds, token, sent) in [
        (0, 1, 0),
        (50, 1, 0),
        (98, 1, 0),
        (99, 2, 1),
        (3600, 2, 1),
        (-3600, 1, 0),
    ] {
        let (issuer, shelf) = (Issuer::default(), Shelf::default());
        ahead(&issuer, &shelf, 0).log_in().await;
        assert_eq!(
            ahead(&issuer, &shelf, seconds).send().await,
            token,
            "{seconds} s"
        );
        assert_eq!(issuer.seen().len(), sent, "{seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_back_gives_a_stored_token_no_more_than_its_lifetime() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    ahead(&issuer, &shelf, 0).log_in().await;
    let process = ahead(&issuer, &shelf, -3600);
    assert_eq!(process.send().await, 1);
    // 100 s, less the leeway of one.
    sleep(SECOND * 98).await;
    assert_eq!(process.send().await, 1);
    sleep(SECOND * 2).await;
    assert_eq!(process.send().await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_between_two_renewals_loses_nothing() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let (jumped, now) = wall();
    let take = issuer.clone();
    let source = scripted(move |_, fetch| at_once(take.take(&fetch)));
    let process = Process::of(Stored::new(source, shelf.clone()).wall_clock(now));
    process.log_in().await;
    assert_eq!(process.send().await, 1);
    for (n, seconds) in [(2, 3600), (3, 0), (4, -3600), (5, 0)] {
        jumped.store(seconds, Ordering::SeqCst);
        assert_eq!(process.renew().await, n);
    }
    assert_eq!((issuer.seen().len(), issuer.reuses()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn no_jump_of_the_clock_opens_a_leeway_again() {
    for seconds in [-3600, 3600] {
        let shelf = Shelf::default();
        let (jumped, now) = wall();
        let source = scripted(|n, _| {
            at_once(match n {
                1 => Err(SourceError::temporary("reset")),
                _ => Ok(Grant::new("t9")),
            })
        });
        let stored = Stored::new(source, shelf).wall_clock(now);
        let process = Process::slot(stored.reuse_leeway(SECOND * 10), |slot| {
            slot.backoff(SECOND * 20, SECOND * 20).wait(SECOND * 60)
        });
        process.log_in().await;
        process.send().await;
        process.token().invalidate();
        let client = process.client.clone();
        let call = tokio::spawn(async move { send(&client).await });
        sleep(SECOND * 5).await;
        jumped.store(seconds, Ordering::SeqCst);
        let error = call
            .await
            .expect("no panic")
            .expect_err("20 s are more than 10");
        call_context::find::<NeedsHuman>(&*error).expect("in the chain");
    }
}

/// A process on a machine that was started as `boot`, whose own clock goes right since `began` and whose wall clock is ahead by so many
/// seconds.
fn on_machine(
    store: &MemoryStore,
    (boot, began, seconds): (&str, Instant, i64),
    script: impl Fn(Fetch) -> Answer + Send + Sync + 'static,
) -> Process {
    let set =
        SystemTime::UNIX_EPOCH + SECOND * u32::try_from(1_700_000_000 + seconds).expect("a time");
    let stored = Stored::new(scripted(move |_, fetch| script(fetch)), store.clone())
        .wall_clock(move || set + began.elapsed())
        .boot_clock(boot, move || SECOND * 500 + began.elapsed())
        .reuse_leeway(SECOND * 60);
    Process::slot(stored, |slot| slot.backoff(SECOND, SECOND))
}

#[tokio::test(start_paused = true)]
async fn no_wall_clock_that_was_set_between_two_processes_stretches_a_leeway() {
    for (passed, set, boot, resends) in [
        (5, 0, "a", true),
        (5, -4, "a", true),
        (5, 3600, "a", false),
        (5, -3600, "a", false),
        (3600, 0, "a", false),
        (3600, 3600, "a", false),
        // By the wall clock, no time has passed, or ten seconds, or twenty.
        (3600, -3600, "a", false),
        (3600, -3590, "a", false),
        (61, -41, "a", false),
        // The machine was started anew, and nobody knows how long that took.
        (5, 0, "b", false),
        (3600, -3600, "b", false),
    ] {
        let (issuer, store) = (Issuer::with_grace(), MemoryStore::new());
        let (take, began) = (issuer.clone(), Instant::now());
        // It dies with the answer: whatever comes afterwards is as if nobody had heard it.
        let killed = on_machine(&store, ("a", began, 0), move |fetch| {
            let _ = take.take(&fetch);
            at_once(Err(SourceError::temporary("killed")))
        });
        killed.log_in().await;
        killed.send().await;
        killed.token().invalidate();
        let call = tokio::time::timeout(SECOND / 2, send(&killed.client));
        call.await.expect_err("it waits for the next try");
        drop(killed);
        tokio::time::sleep_until(began + SECOND * passed).await;

        let take = issuer.clone();
        let next = on_machine(&store, (boot, began, set), move |fetch| {
            at_once(take.take(&fetch))
        });
        // First of all, the stored token is used where it seems to live.
        let _ = send(&next.client).await;
        next.token().invalidate();
        let outcome = send(&next.client).await;
        let context = format!("{passed} s, set by {set} s, start `{boot}`");
        if resends {
            assert_eq!(outcome.expect(&context), "Bearer t2");
            assert_eq!(issuer.seen(), ["r1", "r1"], "{context}");
        } else {
            let error = outcome.expect_err(&context);
            call_context::find::<NeedsHuman>(&*error).expect("in the chain");
            assert_eq!(issuer.seen(), ["r1"], "{context}");
        }
    }
}
