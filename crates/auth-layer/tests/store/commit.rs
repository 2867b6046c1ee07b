//! Commits that fail after a rotation.

use auth_layer::store::StoreState;
use auth_layer::{EventKind, SourceError};
use tokio::time::{Instant, sleep};

use crate::commons::{Issuer, Process, Saving, Shelf, first, seventh};
use crate::log::Log;
use crate::support::{SECOND, at_once, chain};

/// A process that has renewed once, without being able to store it.
async fn unsaved(issuer: &Issuer, shelf: &Shelf, saving: Saving) -> Process {
    let process = Process::new(issuer, shelf.clone());
    process.log_in().await;
    process.send().await;
    shelf.script([Saving::Works, saving]);
    assert_eq!(process.renew().await, 2, "it is used all the same");
    assert_eq!(process.grant.state(), StoreState::Unsaved);
    process
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_is_used_and_tried_again_with_growing_pauses_until_it_is() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = unsaved(&issuer, &shelf, Saving::Fails).await;
    let (start, before) = (Instant::now(), shelf.attempts());
    // At 1, 3, 7, 15, 31, 63, 123 and 183 s.
    for (at, attempts) in [
        (2, 1),
        (4, 2),
        (14, 3),
        (16, 4),
        (62, 5),
        (64, 6),
        (122, 6),
        (184, 8),
    ] {
        tokio::time::sleep_until(start + SECOND * at).await;
        assert_eq!(shelf.attempts() - before, attempts, "after {at} s");
    }
    shelf.script([Saving::Works]);
    sleep(SECOND * 60).await;
    assert_eq!(process.grant.state(), StoreState::Saved);
    assert!(shelf.has(r#""refresh_token":"r2""#) && !shelf.has("intent"));
    let attempts = shelf.attempts();
    sleep(SECOND * 600).await;
    assert_eq!(shelf.attempts(), attempts, "that is the end of it");
    assert_eq!(process.renew().await, 3);
    assert_eq!(
        (issuer.seen(), issuer.reuses()),
        (vec!["r1".into(), "r2".into()], 0)
    );
}

#[tokio::test(start_paused = true)]
async fn until_it_is_stored_renewals_go_on_from_memory_and_never_from_the_store() {
    for saving in [Saving::Fails, Saving::FailsAfterwards] {
        let (issuer, shelf) = (Issuer::default(), Shelf::default());
        let process = unsaved(&issuer, &shelf, saving).await;
        for n in 3..6 {
            assert_eq!(process.renew().await, n);
            assert_eq!(process.grant.state(), StoreState::Unsaved);
        }
        shelf.script([Saving::Works]);
        assert_eq!(process.renew().await, 6);
        assert_eq!(process.grant.state(), StoreState::Saved);
        assert!(shelf.has(r#""refresh_token":"r6""#) && !shelf.has("intent"));
        assert_eq!(issuer.seen(), ["r1", "r2", "r3", "r4", "r5"]);
    }
}

#[tokio::test(start_paused = true)]
async fn until_it_is_stored_another_process_waits_and_sends_nothing() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = unsaved(&issuer, &shelf, Saving::Fails).await;
    let other = Process::new(&issuer, shelf.clone());
    // The token in the store lives, so it is used; that it is at its end, say, only the server knows.
    assert_eq!(other.send().await, 1);
    other.token().invalidate();
    let refusal = other.refusal().await;
    assert!(refusal.contains("the lock of the shelf"), "{refusal}");
    assert_eq!(issuer.seen(), ["r1"]);
    shelf.script([Saving::Works]);
    sleep(SECOND * 60).await;
    assert_eq!(process.grant.state(), StoreState::Saved);
    assert_eq!(other.send().await, 2);
    assert_eq!(other.renew().await, 3);
    assert_eq!(issuer.seen(), ["r1", "r2"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_has_failed_after_five_seconds() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let start = Instant::now();
    let _process = unsaved(&issuer, &shelf, Saving::Hangs).await;
    assert_eq!(start.elapsed(), SECOND * 5);
}

#[tokio::test(start_paused = true)]
async fn the_grant_outlives_its_slot_until_it_is_stored() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = unsaved(&issuer, &shelf, Saving::Fails).await;
    drop(process);
    shelf.script([Saving::Works]);
    sleep(SECOND * 2).await;
    assert!(shelf.has(r#""refresh_token":"r2""#) && !shelf.has("intent"));
    assert_eq!(Process::new(&issuer, shelf).send().await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_cannot_be_stored_is_an_error_and_changes_nothing() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = Process::new(&issuer, shelf.clone());
    shelf.script([Saving::Fails, Saving::Works]);
    let error = process.grant.put(first()).await.expect_err("no space left");
    assert!(!error.is_permanent());
    assert_eq!(shelf.text(), None);
    process.log_in().await;
    assert_eq!(process.renew().await, 1);

    // Nor does it where a grant is known here alone.
    let process = unsaved(&issuer, &Shelf::default(), Saving::Fails).await;
    process.grant.put(first()).await.expect_err("no space left");
    assert_eq!(process.renew().await, 3);
    assert_eq!(
        (issuer.seen(), issuer.reuses()),
        (vec!["r1".into(), "r2".into()], 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_login_that_was_half_stored_is_taken_back() {
    for half in [Saving::FailsAfterwards, Saving::HangsAfterwards] {
        let (issuer, shelf) = (Issuer::default(), Shelf::default());
        let process = Process::new(&issuer, shelf.clone());
        shelf.script([half, Saving::Works]);
        let error = process.grant.put(first()).await.expect_err("half-way");
        assert!(!chain(&error).contains("what was there before"));
        assert_eq!(shelf.text(), None, "{half:?}");

        process.log_in().await;
        let earlier = shelf.text();
        for restoring in [Saving::Works, Saving::FailsAfterwards] {
            shelf.script([half, restoring, Saving::Works]);
            let error = process.grant.put(seventh()).await.expect_err("half-way");
            assert!(!chain(&error).contains("what was there before"));
            assert_eq!(shelf.text(), earlier, "{half:?}");
        }
        assert_eq!(process.send().await, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_was_half_stored_and_cannot_be_taken_back_says_so() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = Process::new(&issuer, shelf.clone());
    process.log_in().await;
    shelf.script([Saving::FailsAfterwards, Saving::Fails]);
    let error = process.grant.put(seventh()).await.expect_err("half-way");
    let text = chain(&error);
    for part in ["the shelf may hold what was there before", "no space left"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(shelf.has("r7"));
    // As it says.
    shelf.script([Saving::Works]);
    process.grant.put(seventh()).await.expect("stored");
    assert_eq!(process.send().await, 7);
}

#[tokio::test(start_paused = true)]
async fn a_word_about_a_lost_answer_that_cannot_be_stored_counts_for_nothing() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let take = issuer.clone();
    let process = Process::with(shelf.clone(), move |n, fetch| {
        let answer = take.take(&fetch);
        at_once(match n {
            2 => Err(SourceError::temporary("reset")),
            _ => answer,
        })
    });
    process.log_in().await;
    process.send().await;
    shelf.script([Saving::Works, Saving::Fails]);
    let mut events = process.auth.subscribe();
    assert_eq!(process.renew().await, 2);
    assert_eq!(process.grant.state(), StoreState::Unsaved);
    process.token().invalidate();
    for _ in 0..2 {
        process.token().changed();
        let refusal = process.refusal().await;
        let asks = "may have been used up";
        assert!(
            refusal.contains("reset") || refusal.contains(asks),
            "{refusal}"
        );
    }
    process
        .grant
        .forget_intent()
        .await
        .expect_err("no space left");
    process.token().changed();
    let refusal = process.refusal().await;
    assert!(refusal.contains("may have been used up"), "{refusal}");
    assert_eq!(issuer.seen(), ["r1", "r2"]);
    // Though a human is needed, what is known here alone is stored in time.
    shelf.script([Saving::Works]);
    sleep(SECOND * 100).await;
    assert!(shelf.has(r#""refresh_token":"r2""#) && shelf.has("intent"));
    assert_eq!(process.grant.state(), StoreState::NeedsHuman);
    let stored = |kind: &EventKind| matches!(kind, EventKind::GrantUnsaved | EventKind::GrantSaved);
    let heard = Process::heard(&mut events).into_iter().filter(stored);
    let heard = heard.collect::<Vec<_>>();
    assert_eq!(heard, [EventKind::GrantUnsaved, EventKind::GrantSaved]);
}

#[tokio::test(start_paused = true)]
async fn events_tell_once_that_a_grant_is_not_stored_and_when_it_is() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = Process::new(&issuer, shelf.clone());
    let mut events = process.auth.subscribe();
    process.log_in().await;
    process.send().await;
    assert_eq!(process.renew().await, 2);
    assert_eq!(Process::heard(&mut events), [], "all is well");
    shelf.script([Saving::Works, Saving::Fails]);
    assert_eq!(process.renew().await, 3);
    assert_eq!(Process::heard(&mut events), [EventKind::GrantUnsaved]);
    sleep(SECOND * 100).await;
    assert_eq!(process.renew().await, 4);
    assert_eq!(Process::heard(&mut events), [], "it is known already");
    shelf.script([Saving::Works]);
    sleep(SECOND * 60).await;
    assert_eq!(Process::heard(&mut events), [EventKind::GrantSaved]);
    // With the next renewal, and with the next login.
    for renews in [true, false] {
        shelf.script([Saving::Works, Saving::Fails]);
        let n = process.renew().await;
        shelf.script([Saving::Works]);
        match renews {
            true => assert_eq!(process.renew().await, n + 1),
            false => process.log_in_anew().await,
        }
        let both = [EventKind::GrantUnsaved, EventKind::GrantSaved];
        assert_eq!(Process::heard(&mut events), both);
    }
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_is_cleared_before_it_could_be_stored_is_not_said_to_be_stored() {
    let log = Log::default();
    let listening = log.listen();
    for logs_out in [false, true] {
        let shelf = Shelf::default();
        let process = unsaved(&Issuer::default(), &shelf, Saving::Fails).await;
        let mut events = process.auth.subscribe();
        let ended = match logs_out {
            true => vec![EventKind::LoggedOut],
            false => vec![],
        };
        match logs_out {
            true => process.token().log_out().await.expect("emptied"),
            false => drop(process.grant.clear().await.expect("emptied")),
        }
        shelf.script([Saving::Works]);
        sleep(SECOND * 100).await;
        assert_eq!(Process::heard(&mut events), ended);
    }
    let text = log.text();
    assert!(text.contains("could not be stored"), "{text}");
    assert!(!text.contains("is stored"), "{text}");
    let shelf = Shelf::default();
    let _process = unsaved(&Issuer::default(), &shelf, Saving::Fails).await;
    shelf.script([Saving::Works]);
    sleep(SECOND * 100).await;
    let text = log.text();
    assert!(text.contains("the grant is stored at last"), "{text}");
    drop(listening);
}
