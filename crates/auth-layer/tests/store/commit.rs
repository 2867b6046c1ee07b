//! Commits that fail after a rotation.

use auth_layer::store::StoreState;
use tokio::time::{Instant, sleep};

use crate::commons::{Issuer, Process, Saving, Shelf, first};
use crate::support::SECOND;

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
