//! A slot is logged out whose grant is kept in a store.

use std::sync::{Arc, Mutex};

use auth_layer::store::{GrantStore, Stored};
use auth_layer::{Fetch, GrantFuture, LogOut, LogOutFuture, Reason, Secret, Source};
use futures_util::FutureExt;
use tokio::time::sleep;

use crate::commons::{Issuer, Process, Shelf, seventh};
use crate::support::{SECOND, reason};

type Given = Arc<Mutex<Vec<String>>>;

/// Answers after so many seconds, and notes what it is given back.
struct Slow {
    issuer: Issuer,
    seconds: u32,
    given: Given,
}

impl Source for Slow {
    fn fetch(&self, fetch: Fetch) -> GrantFuture<'_> {
        Box::pin(async move {
            let answer = self.issuer.take(&fetch);
            sleep(SECOND * self.seconds).await;
            answer
        })
    }

    fn log_out(&self, log_out: LogOut) -> LogOutFuture {
        let given = Arc::clone(&self.given);
        Box::pin(async move {
            let tokens = log_out.tokens().await;
            let tokens = [tokens.refresh_token, tokens.token];
            let texts = tokens.iter().flatten().map(Secret::expose);
            let texts = texts.map(str::to_owned);
            given.lock().expect("not poisoned").extend(texts);
            Ok(())
        })
    }
}

fn process(shelf: &Shelf, seconds: u32) -> (Process, Given) {
    let given = Given::default();
    let source = Slow {
        issuer: Issuer::default(),
        seconds,
        given: Arc::clone(&given),
    };
    let process = Process::of(Stored::new(source, shelf.clone()));
    (process, given)
}

fn given(given: &Given) -> Vec<String> {
    given.lock().expect("not poisoned").clone()
}

#[tokio::test(start_paused = true)]
async fn logging_out_empties_the_store_and_gives_back_what_was_in_it() {
    let shelf = Shelf::default();
    let (process, back) = process(&shelf, 0);
    process.log_in().await;
    assert_eq!(process.send().await, 1);
    process.token().log_out().await.expect("told");
    assert_eq!(given(&back), ["r1", "t1"]);
    assert_eq!(shelf.text(), None);
    assert_eq!(reason(&process.client).await, Reason::LoggedOut);
    process.log_in_anew().await;
    process.token().changed();
    assert_eq!(process.send().await, 7);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_outlasts_a_logout_fills_nothing_and_what_it_brings_is_given_back() {
    // The second one outlasts the slot's patience with both.
    for (seconds, told) in [(3, true), (25, false)] {
        let shelf = Shelf::default();
        let (process, back) = process(&shelf, seconds);
        process.log_in().await;
        process.send().await;
        process.token().invalidate();
        let client = process.client.clone();
        let call = tokio::spawn(async move { crate::support::send(&client).await });
        sleep(SECOND).await;
        assert_eq!(process.token().log_out().await.is_ok(), told, "{seconds} s");
        call.await.expect("no panic").expect_err("logged out");
        sleep(SECOND * 60).await;
        assert_eq!(shelf.text(), None, "{seconds} s");
        assert_eq!(given(&back), ["r2", "t2"], "{seconds} s");
        assert_eq!(reason(&process.client).await, Reason::LoggedOut);
    }
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_is_still_waiting_does_not_take_the_next_login_with_it() {
    let shelf = Shelf::default();
    let (process, back) = process(&shelf, 25);
    process.log_in().await;
    process.send().await;
    process.token().invalidate();
    let client = process.client.clone();
    let call = tokio::spawn(async move { crate::support::send(&client).await });
    sleep(SECOND).await;
    let telling = process.token().log_out();
    telling.await.expect_err("the renewal holds the store");
    process.grant.put(seventh()).await.expect("stored");
    process.token().changed();
    assert_eq!(process.send().await, 7);
    let _ = call.await;
    assert_eq!(given(&back), ["r2", "t2"]);
    assert!(shelf.has("r7"));
    drop(shelf.lock().await.expect("free"));
}

#[tokio::test(start_paused = true)]
async fn a_login_right_after_a_logout_that_nobody_waits_for_stays() {
    // The second time a renewal holds the store, so that both have to wait in line.
    for seconds in [0, 3] {
        let shelf = Shelf::default();
        let (process, back) = process(&shelf, seconds);
        process.log_in().await;
        assert_eq!(process.send().await, 1);
        process.token().invalidate();
        let client = process.client.clone();
        let call = tokio::spawn(async move { crate::support::send(&client).await });
        if seconds > 0 {
            sleep(SECOND).await;
        }
        drop(process.token().log_out());
        process.grant.put(seventh()).await.expect("stored");
        process.token().changed();
        assert_eq!(process.send().await, 7, "{seconds} s");
        let _ = call.await.expect("no panic");
        sleep(SECOND * 60).await;
        assert!(shelf.has("r7"), "{seconds} s");
        let ended = if seconds > 0 {
            ["r2", "t2"]
        } else {
            ["r1", "t1"]
        };
        assert_eq!(given(&back), ended, "{seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_before_a_logout_goes_with_it_though_neither_was_waited_for() {
    let shelf = Shelf::default();
    let (process, back) = process(&shelf, 0);
    process.log_in().await;
    process.send().await;
    let grant = process.grant.clone();
    let mut putting = Box::pin(async move { grant.put(seventh()).await });
    assert!((&mut putting).now_or_never().is_none());
    process.token().log_out().await.expect("told");
    putting.await.expect("stored, for a moment");
    assert_eq!(shelf.text(), None);
    assert_eq!(given(&back), ["r7", "t7"]);
}

#[test]
fn a_logout_outside_of_a_runtime_leaves_the_store_to_others() {
    let shelf = Shelf::default();
    let (process, _) = process(&shelf, 0);
    drop(process.token().log_out());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime").block_on(async {
        process.grant.put(seventh()).await.expect("not locked out");
        process.token().changed();
        assert_eq!(process.send().await, 7);
    });
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_cannot_empty_the_store_says_so_and_gives_back_what_is_in_it() {
    let shelf = Shelf::default();
    let (process, back) = process(&shelf, 0);
    process.log_in().await;
    process.send().await;
    shelf.keep_all();
    let error = process.token().log_out().await.expect_err("not emptied");
    let text = crate::support::chain(&error);
    assert!(text.contains("read-only"), "{text}");
    assert_eq!(given(&back), ["r1", "t1"]);
    assert_eq!(reason(&process.client).await, Reason::LoggedOut);
    process.grant.clear().await.expect_err("nor by hand");
    assert!(shelf.has("r1"));
}
