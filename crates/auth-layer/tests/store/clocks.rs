//! Wall clocks that jump, between processes and in one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use auth_layer::store::{NeedsHuman, Stored};
use auth_layer::{Grant, SourceError};
use tokio::time::sleep;

use crate::commons::{Issuer, Process, Shelf, scripted};
use crate::support::{SECOND, at_once, send, wall};

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
