//! `invalid_grant`, with and without somebody who was faster.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use auth_layer::store::NeedsHuman;
use auth_layer::{Reason, SourceError};

use crate::commons::{Issuer, Process, Shelf};
use crate::support::{at_once, refused, send};

/// A record that somebody else has written, who does not keep to the lock: with the token `t5` and the given rest.
fn winner(rest: &str) -> String {
    format!(r#"{{"version":1,"access_token":"t5","obtained_ms":32503680000000{rest}}}"#)
}

#[tokio::test(start_paused = true)]
async fn the_losers_invalid_grant_adopts_what_the_winner_has_stored_and_does_not_erase_it() {
    let shelf = Shelf::default();
    let (stored, behind) = (winner(r#","refresh_token":"r5""#), shelf.clone());
    let text = stored.clone();
    let process = Process::with(shelf.clone(), move |n, _| {
        assert_eq!(n, 1, "one attempt, then the winner's");
        behind.set(&*text);
        at_once(Err(SourceError::invalid_grant("invalid_grant")))
    });
    process.log_in().await;
    process.send().await;
    assert_eq!(process.renew().await, 5);
    assert_eq!(shelf.text(), Some(stored));
}

#[tokio::test(start_paused = true)]
async fn the_loser_sends_the_winners_refresh_token_where_the_winners_token_is_no_use() {
    let (shelf, issuer) = (Shelf::default(), Issuer::default());
    let (behind, take) = (shelf.clone(), issuer.clone());
    let process = Process::with(shelf.clone(), move |n, fetch| {
        let sent = fetch.refresh_token().expect("one").expose().to_owned();
        if n == 1 {
            assert_eq!(sent, "r7");
            behind.set(winner(r#","lifetime_ms":0,"refresh_token":"r1""#));
            return at_once(Err(SourceError::invalid_grant("invalid_grant")));
        }
        at_once(take.take(&fetch))
    });
    shelf.set(winner(r#","lifetime_ms":0,"refresh_token":"r7""#));
    assert_eq!(process.send().await, 2);
    assert_eq!(issuer.seen(), ["r1"]);
    assert!(shelf.has(r#""refresh_token":"r2""#) && !shelf.has("intent"));
}

#[tokio::test(start_paused = true)]
async fn an_invalid_grant_that_nobody_explains_is_for_good_and_erases_nothing() {
    let shelf = Shelf::default();
    let process = Process::with(shelf.clone(), |n, _| {
        assert_eq!(n, 1);
        at_once(Err(SourceError::invalid_grant("revoked")))
    });
    process.log_in().await;
    let before = shelf.text();
    process.send().await;
    process.token().invalidate();
    for _ in 0..3 {
        let error = send(&process.client).await.expect_err("a refusal");
        assert_eq!(refused(&error).reason(), Reason::Refused);
        assert!(call_context::find::<NeedsHuman>(&*error).is_none());
    }
    assert_eq!(shelf.text(), before, "and no intent stays behind");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_changes_all_the_time_is_followed_once() {
    let shelf = Shelf::default();
    let (behind, fetches) = (shelf.clone(), Arc::<AtomicU64>::default());
    let counted = Arc::clone(&fetches);
    let process = Process::with(shelf.clone(), move |n, _| {
        counted.store(n, Ordering::SeqCst);
        assert!(n < 10, "without end");
        behind.set(winner(&format!(
            r#","lifetime_ms":0,"refresh_token":"x{n}""#
        )));
        at_once(Err(SourceError::invalid_grant("invalid_grant")))
    });
    process.log_in().await;
    process.send().await;
    process.token().invalidate();
    let error = send(&process.client).await.expect_err("a refusal");
    assert_eq!(refused(&error).reason(), Reason::Refused);
    assert_eq!(fetches.load(Ordering::SeqCst), 2);
    assert!(shelf.has("x2"), "nobody's grant is overwritten");
}

#[tokio::test(start_paused = true)]
async fn a_refused_resend_leaves_the_intent_of_the_first_use_open() {
    let issuer = Issuer::default();
    let (shelf, take) = (Shelf::default(), issuer.clone());
    let source = crate::commons::scripted(move |n, fetch| {
        let answer = take.take(&fetch);
        at_once(if n == 1 {
            Err(SourceError::temporary("reset"))
        } else {
            answer
        })
    });
    let stored = auth_layer::store::Stored::new(source, shelf.clone());
    // Declared wrongly: the server has no such leeway.
    let process = Process::of(stored.reuse_leeway(crate::support::SECOND * 30));
    process.log_in().await;
    process.send().await;
    process.token().invalidate();
    let error = send(&process.client).await.expect_err("a refusal");
    assert_eq!(refused(&error).reason(), Reason::Refused);
    assert!(shelf.has("intent"));
    tokio::time::sleep(crate::support::SECOND * 30).await;
    process.token().changed();
    let error = send(&process.client).await.expect_err("a refusal");
    call_context::find::<NeedsHuman>(&*error).expect("in the chain");
    assert_eq!(issuer.seen().len(), 2);
}
