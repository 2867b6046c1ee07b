//! Stores that do not answer: each reading, writing and emptying has five seconds.

use std::sync::{Arc, Mutex};

use auth_layer::store::{GrantStore, StoreState, Stored};
use auth_layer::{
    EventKind, Fetch, GrantFuture, LogOut, LogOutFuture, Reason, Secret, Source, SourceError,
};
use tokio::time::{Instant, sleep};

use crate::commons::{Issuer, Process, Saving, Shelf, Stuck, seventh};
use crate::log::Log;
use crate::support::{SECOND, at_once, chain, reason};

/// A process that has logged in and sent a request.
async fn logged_in(issuer: &Issuer, shelf: &Shelf) -> Process {
    let process = Process::new(issuer, shelf.clone());
    process.log_in().await;
    assert_eq!(process.send().await, 1);
    process
}

#[tokio::test(start_paused = true)]
async fn a_store_that_reads_nothing_is_given_up_after_five_seconds_and_asked_again() {
    for stuck in [Stuck::Reading, Stuck::LockedReading] {
        let (issuer, shelf) = (Issuer::default(), Shelf::default());
        let process = logged_in(&issuer, &shelf).await;
        let mut events = process.auth.subscribe();
        shelf.stick(stuck);
        process.token().invalidate();
        let start = Instant::now();
        let refusal = process.refusal().await;
        assert!(
            refusal.contains("reading the shelf took longer than 5s"),
            "{refusal}"
        );
        // Five times, with a second in between: for a sixth the request has no time.
        assert_eq!(start.elapsed(), SECOND * 29, "{stuck:?}");
        let heard = Process::heard(&mut events);
        assert_eq!(heard, [const { EventKind::RenewalFailed }; 5], "{stuck:?}");
        // Nothing was sent, so nothing was spent; and nobody holds the store.
        assert_eq!(issuer.seen(), [""; 0]);
        drop(shelf.lock().await.expect("free"));
        shelf.stick(Stuck::Nothing);
        sleep(SECOND * 2).await;
        assert_eq!(process.send().await, 2, "{stuck:?}");
        assert_eq!((issuer.seen(), issuer.reuses()), (vec!["r1".into()], 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_read_late_is_not_used_in_place_of_a_newer_grant() {
    for stuck in [Stuck::Reading, Stuck::LockedReading] {
        let (issuer, shelf) = (Issuer::default(), Shelf::default());
        let process = logged_in(&issuer, &shelf).await;
        shelf.stick(stuck);
        process.token().invalidate();
        process.refusal().await;
        shelf.stick(Stuck::Nothing);
        process.log_in_anew().await;
        process.token().changed();
        assert_eq!(process.send().await, 7, "{stuck:?}");
        // By now the old text has come.
        sleep(SECOND * 60).await;
        assert_eq!(process.send().await, 7, "{stuck:?}");
        assert!(shelf.has("r7") && !shelf.has("r1"), "{stuck:?}");
        assert_eq!(issuer.seen(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handle_on_a_store_that_reads_nothing_says_so_and_changes_nothing() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = logged_in(&issuer, &shelf).await;
    let before = shelf.text();
    shelf.stick(Stuck::LockedReading);
    for call in ["put", "clear", "forget_intent"] {
        let start = Instant::now();
        let error = match call {
            "put" => process.grant.put(seventh()).await.expect_err(call),
            "clear" => process.grant.clear().await.map(drop).expect_err(call),
            _ => process.grant.forget_intent().await.expect_err(call),
        };
        assert!(!error.is_permanent(), "{call}");
        let text = chain(&error);
        assert!(text.contains("reading the shelf took longer"), "{text}");
        assert_eq!(start.elapsed(), SECOND * 5, "{call}");
        assert_eq!(shelf.text(), before, "{call}");
    }
    shelf.stick(Stuck::Nothing);
    process.log_in_anew().await;
    assert_eq!(process.renew().await, 7);
}

/// Notes what it is given back.
#[derive(Clone)]
struct Returning {
    issuer: Issuer,
    given: Arc<Mutex<Vec<String>>>,
}

impl Source for Returning {
    fn fetch(&self, fetch: Fetch) -> GrantFuture<'_> {
        Box::pin(async move { self.issuer.take(&fetch) })
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

#[tokio::test(start_paused = true)]
async fn a_logout_from_a_store_that_empties_nothing_says_so_and_still_wins_here() {
    for (stuck, stays) in [(Stuck::Removing, true), (Stuck::AfterRemoving, false)] {
        let log = Log::default();
        let listening = log.listen();
        let shelf = Shelf::default();
        let source = Returning {
            issuer: Issuer::default(),
            given: Arc::default(),
        };
        let process = Process::of(Stored::new(source.clone(), shelf.clone()));
        process.log_in().await;
        process.send().await;
        shelf.stick(stuck);
        let start = Instant::now();
        let error = process.token().log_out().await.expect_err("not emptied");
        let text = chain(&error);
        assert!(text.contains("emptying the shelf took longer"), "{text}");
        assert_eq!(start.elapsed(), SECOND * 5, "{stuck:?}");
        let text = log.text();
        assert!(text.contains("the store may still hold"), "{text}");
        drop(listening);

        // Here it has ended, and the server was told.
        assert_eq!(reason(&process.client).await, Reason::LoggedOut);
        let given = source.given.lock().expect("not poisoned").clone();
        assert_eq!(given, ["r1", "t1"], "{stuck:?}");
        assert_eq!(shelf.has("r1"), stays, "{stuck:?}");
        // Nobody holds the store, so that the next login can take its place, and stays.
        drop(shelf.lock().await.expect("free"));
        process.log_in_anew().await;
        process.token().changed();
        assert_eq!(process.send().await, 7, "{stuck:?}");
        sleep(SECOND * 60).await;
        assert!(shelf.has("r7"), "{stuck:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_emptying_that_hangs_loses_no_grant_that_is_known_here_alone() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = logged_in(&issuer, &shelf).await;
    shelf.script([Saving::Works, Saving::Fails]);
    assert_eq!(process.renew().await, 2);
    assert_eq!(process.grant.state(), StoreState::Unsaved);
    shelf.stick(Stuck::AfterRemoving);
    process.grant.clear().await.expect_err("not known");
    // As it says: the grant is still kept, and is stored in time.
    assert_eq!(process.grant.state(), StoreState::Unsaved);
    shelf.script([Saving::Works]);
    sleep(SECOND * 100).await;
    assert_eq!(process.grant.state(), StoreState::Saved);
    assert!(shelf.has("r2"));
    shelf.stick(Stuck::Nothing);
    let cleared = process.grant.clear().await.expect("emptied");
    assert_eq!(cleared.expect("r2").access_token.expose(), "t2");
    assert_eq!(shelf.text(), None);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_store_reads_nothing_sends_no_refresh_token_twice() {
    // `invalid_grant` has the store read again, which hangs: that a refused token was refused is known all the same.
    let (shelf, issuer) = (Shelf::default(), Issuer::default());
    let (behind, take) = (shelf.clone(), issuer.clone());
    let process = Process::with(shelf.clone(), move |n, fetch| {
        let answer = take.take(&fetch);
        at_once(match n {
            1 => {
                behind.stick(Stuck::LockedReading);
                Err(SourceError::invalid_grant("revoked"))
            }
            _ => answer,
        })
    });
    process.log_in().await;
    process.send().await;
    process.token().invalidate();
    let start = Instant::now();
    let refusal = process.refusal().await;
    assert!(refusal.contains("revoked"), "{refusal}");
    assert_eq!(start.elapsed(), SECOND * 5);
    assert_eq!(issuer.seen(), ["r1"]);
    shelf.stick(Stuck::Nothing);
    process.log_in_anew().await;
    process.token().changed();
    assert_eq!(process.send().await, 7);
}

#[tokio::test(start_paused = true)]
async fn a_logout_from_a_store_that_reads_nothing_tells_the_server_of_what_is_known_here() {
    let shelf = Shelf::default();
    let source = Returning {
        issuer: Issuer::default(),
        given: Arc::default(),
    };
    let process = Process::of(Stored::new(source.clone(), shelf.clone()));
    process.log_in().await;
    process.send().await;
    shelf.stick(Stuck::LockedReading);
    let error = process.token().log_out().await.expect_err("not emptied");
    let text = chain(&error);
    assert!(text.contains("reading the shelf took longer"), "{text}");
    // The refresh token is in the store alone, and still good: a human may revoke it, or clear the grant later.
    assert_eq!(*source.given.lock().expect("not poisoned"), ["t1"]);
    assert_eq!(reason(&process.client).await, Reason::LoggedOut);
    shelf.stick(Stuck::Nothing);
    let cleared = process.grant.clear().await.expect("emptied");
    let refresh_token = cleared.and_then(|cleared| cleared.refresh_token);
    assert_eq!(refresh_token.expect("kept").expose(), "r1");
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_was_logged_out_before_it_could_be_stored_is_not_stored_later() {
    for (stuck, left) in [(Stuck::AfterRemoving, None), (Stuck::Removing, Some("r1"))] {
        let shelf = Shelf::default();
        let source = Returning {
            issuer: Issuer::default(),
            given: Arc::default(),
        };
        let process = Process::of(Stored::new(source.clone(), shelf.clone()));
        process.log_in().await;
        process.send().await;
        shelf.script([Saving::Works, Saving::Fails]);
        assert_eq!(process.renew().await, 2);
        assert_eq!(process.grant.state(), StoreState::Unsaved);
        shelf.stick(stuck);
        shelf.script([Saving::Works]);
        process.token().log_out().await.expect_err("not emptied");
        let given = source.given.lock().expect("not poisoned").clone();
        assert_eq!(given, ["r2", "t2"], "{stuck:?}");
        sleep(SECOND * 100).await;
        assert_ne!(process.grant.state(), StoreState::Saved, "{stuck:?}");
        assert!(!shelf.has("r2"), "{stuck:?}");
        assert!(left.is_none_or(|left| shelf.has(left)), "{stuck:?}");
        // Nobody holds the store.
        drop(shelf.lock().await.expect("free"));
        shelf.stick(Stuck::Nothing);
        process.log_in_anew().await;
        process.token().changed();
        assert_eq!(process.send().await, 7, "{stuck:?}");
    }
}
