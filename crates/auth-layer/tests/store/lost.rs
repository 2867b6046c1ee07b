//! Answers that are lost, or come late.

use std::time::Duration;

use auth_layer::store::{GrantStore, NeedsHuman, StoreState, Stored};
use auth_layer::{Reason, SourceError};
use call_context::{NeverLeft, Refusal};
use tokio::time::sleep;

use crate::commons::{Issuer, Process, Saving, Shelf, scripted};
use crate::support::{Answer, SECOND, after, at_once, never, reason, refused, send, wall};

/// The issuer takes the first refresh token, and its answer is lost in the given way; then all goes well.
fn losing(
    issuer: &Issuer,
    lost: impl Fn() -> Answer + Send + Sync + 'static,
) -> impl auth_layer::Source {
    let issuer = issuer.clone();
    scripted(move |n, fetch| {
        let answer = issuer.take(&fetch);
        if n == 1 { lost() } else { at_once(answer) }
    })
}

fn reset() -> Answer {
    at_once(Err(SourceError::temporary("connection reset")))
}

fn panics() -> Answer {
    Box::pin(async {
        tokio::task::yield_now().await;
        panic!("a bug")
    })
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_the_fetch_was_given_up_is_kept_and_handed_out_next() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let take = issuer.clone();
    let source = scripted(move |_, fetch| after(SECOND * 3, take.take(&fetch)));
    let process = Process::slot(Stored::new(source, shelf.clone()), |slot| {
        slot.fetch_timeout(SECOND).wait(SECOND * 2)
    });
    process.log_in().await;
    process.send().await;
    process.token().invalidate();
    assert_eq!(reason(&process.client).await, Reason::BackingOff);
    sleep(SECOND * 5).await;
    assert!(shelf.has(r#""refresh_token":"r2""#), "committed by itself");
    assert_eq!(process.send().await, 2);
    assert_eq!(issuer.seen(), ["r1"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_nothing_is_sent_until_a_human_has_decided() {
    for lost in [reset, panics] {
        let (issuer, shelf) = (Issuer::default(), Shelf::default());
        let process = Process::of(Stored::new(losing(&issuer, lost), shelf.clone()));
        process.log_in().await;
        process.send().await;
        process.token().invalidate();
        process.refusal().await;
        // Here and in another process, which has adopted the token that lives, and cannot renew it.
        let other = Process::new(&issuer, shelf.clone());
        assert_eq!(other.send().await, 1);
        other.token().invalidate();
        for process in [&process, &other] {
            let error = send(&process.client).await.expect_err("a refusal");
            assert_eq!(refused(&error).reason(), Reason::Refused);
            call_context::find::<NeedsHuman>(&*error).expect("in the chain");
            let text = crate::support::chain(&*error);
            for part in ["the shelf", "log in again", "StoredGrant::forget_intent"] {
                assert!(text.contains(part), "{text}");
            }
            assert_eq!(process.grant.state(), StoreState::NeedsHuman);
        }
        assert_eq!(issuer.seen(), ["r1"]);

        process.log_in_anew().await;
        process.token().changed();
        other.token().changed();
        assert_eq!((process.send().await, other.send().await), (7, 7));
        assert_eq!(process.grant.state(), StoreState::Saved);
    }
}

#[tokio::test(start_paused = true)]
async fn a_human_may_say_that_the_lost_answer_does_not_matter() {
    let (issuer, shelf) = (Issuer::with_grace(), Shelf::default());
    let process = Process::of(Stored::new(losing(&issuer, reset), shelf));
    process.log_in().await;
    assert!(
        !process.grant.forget_intent().await.expect("readable"),
        "there is none"
    );
    process.send().await;
    process.token().invalidate();
    process.refusal().await;
    assert!(process.grant.forget_intent().await.expect("written"));
    process.token().changed();
    assert_eq!(process.send().await, 2);
    assert_eq!(
        (issuer.seen(), issuer.reuses()),
        (vec!["r1".into(), "r1".into()], 0)
    );
}

#[tokio::test(start_paused = true)]
async fn within_the_leeway_of_the_server_it_is_sent_again() {
    let (issuer, shelf) = (Issuer::with_grace(), Shelf::default());
    let stored = Stored::new(losing(&issuer, reset), shelf).reuse_leeway(SECOND * 30);
    let process = Process::of(stored);
    process.log_in().await;
    process.send().await;
    // After the pause of a second.
    assert_eq!(process.renew().await, 2);
    assert_eq!((issuer.seen().len(), issuer.reuses()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_too_long_is_lost() {
    let issuer = Issuer::default();
    let stored = Stored::new(losing(&issuer, never), Shelf::default());
    let process = Process::slot(stored.answer_within(SECOND * 20), |slot| {
        slot.wait(SECOND * 60)
    });
    process.log_in().await;
    process.send().await;
    process.token().invalidate();
    let error = send(&process.client).await.expect_err("a refusal");
    call_context::find::<NeedsHuman>(&*error).expect("in the chain");
    assert_eq!(issuer.seen(), ["r1"]);
}

#[tokio::test(start_paused = true)]
async fn what_surely_was_not_used_up_is_sent_again() {
    let lost: [fn() -> SourceError; 3] = [
        || SourceError::temporary(NeverLeft::wrap(Refusal::Transient, "no connection")),
        || SourceError::temporary("429").unspent(),
        || SourceError::permanent("wrong client secret"),
    ];
    for lost in lost {
        let (issuer, shelf) = (Issuer::default(), Shelf::default());
        let take = issuer.clone();
        let process = Process::with(shelf.clone(), move |n, fetch| {
            at_once(if n == 1 {
                Err(lost())
            } else {
                take.take(&fetch)
            })
        });
        process.log_in().await;
        process.send().await;
        process.token().invalidate();
        let _ = send(&process.client).await;
        process.token().changed();
        assert_eq!(process.send().await, 2);
        assert_eq!((issuer.seen(), issuer.reuses()), (vec!["r1".to_owned()], 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_could_not_be_taken_back_is_known_to_be_void_here_and_void_only_until_it_is_used()
 {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let take = issuer.clone();
    let process = Process::with(shelf.clone(), move |n, fetch| match n {
        1 => at_once(Err(SourceError::temporary("429").unspent())),
        2 => {
            let _ = take.take(&fetch);
            reset()
        }
        _ => at_once(take.take(&fetch)),
    });
    process.log_in().await;
    process.send().await;
    // The intent is written, and not taken back; then all works.
    shelf.script([Saving::Works, Saving::Fails, Saving::Works]);
    process.token().invalidate();
    let error = send(&process.client).await.expect_err("lost");
    call_context::find::<NeedsHuman>(&*error).expect("in the chain");
    assert_eq!(
        issuer.seen(),
        ["r1"],
        "by the second fetch, and not by a third"
    );
}

#[tokio::test(start_paused = true)]
async fn where_the_intent_cannot_be_written_nothing_is_sent() {
    for saving in [
        [Saving::Fails, Saving::Fails],
        [Saving::FailsAfterwards, Saving::FailsAfterwards],
        // The first one's intent stands there while the second one fails.
        [Saving::FailsAfterwards, Saving::Fails],
        [Saving::Hangs, Saving::Hangs],
    ] {
        let (issuer, shelf) = (Issuer::default(), Shelf::default());
        let process = Process::new(&issuer, shelf.clone());
        process.log_in().await;
        process.send().await;
        shelf.script([saving[0], saving[1], Saving::Works]);
        process.token().invalidate();
        // Two fetches fail, and the third one goes.
        assert_eq!(process.send().await, 2, "{saving:?}");
        assert_eq!(issuer.seen(), ["r1"]);
        assert_eq!(process.token().counts().failures, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_waits_for_the_lock_fails_in_time_and_leaves_nothing_behind() {
    let shelf = Shelf::default();
    let process = Process::slot(
        Stored::new(scripted(|_, _| panic!("nothing to send")), shelf.clone()),
        |slot| slot.backoff(SECOND * 60, SECOND * 60),
    );
    let held = shelf.lock().await.expect("free");
    let start = tokio::time::Instant::now();
    let refusal = process.refusal().await;
    assert_eq!(start.elapsed(), SECOND * 5);
    assert!(refusal.contains("the lock of the shelf"), "{refusal}");

    // Given up by the slot while it waits.
    let stored = Stored::new(scripted(|_, _| panic!("nothing to send")), shelf.clone())
        .lock_wait(Duration::MAX);
    let other = Process::slot(stored, |slot| slot.fetch_timeout(SECOND).wait(SECOND * 2));
    reason(&other.client).await;
    // The slot gives up at the same moment as the fetch does.
    sleep(SECOND).await;
    drop(held);
    tokio::task::yield_now().await;
    let free = tokio::time::timeout(SECOND, shelf.lock()).await;
    drop(free.expect("nobody waits for it").expect("free"));
}

/// Begins a renewal on a runtime, drops the runtime once `until` holds, and gives the process to the next one.
fn cut_off(process: &Process, until: impl Fn() -> bool) -> tokio::runtime::Runtime {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime")
    };
    let first = runtime();
    first.block_on(async {
        process.log_in().await;
        process.send().await;
        process.token().invalidate();
        let client = process.client.clone();
        tokio::spawn(async move { send(&client).await.map(drop) });
        for _ in 0..1000 {
            if until() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("it never came to that");
    });
    drop(first);
    runtime()
}

#[test]
fn a_runtime_that_ends_during_the_send_leaves_the_decision_to_a_human() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = Process::of(Stored::new(losing(&issuer, never), shelf));
    let next = cut_off(&process, || !issuer.seen().is_empty());
    let error = next.block_on(send(&process.client)).expect_err("lost");
    call_context::find::<NeedsHuman>(&*error).expect("in the chain");
    assert_eq!(issuer.seen(), ["r1"]);
}

#[test]
fn a_runtime_that_ends_before_anything_was_sent_is_no_obstacle() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = Process::new(&issuer, shelf.clone());
    // The login, then the intent: it is there, and nobody has said so.
    shelf.script([Saving::Works, Saving::HangsAfterwards, Saving::Works]);
    let next = cut_off(&process, || shelf.attempts() == 2);
    assert!(shelf.has("intent"));
    assert_eq!(next.block_on(process.send()), 2);
    assert_eq!(issuer.seen(), ["r1"]);
}

#[test]
fn what_a_runtime_left_unsaved_is_tried_again_on_the_next_one() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = Process::new(&issuer, shelf.clone());
    shelf.script([Saving::Works, Saving::Works, Saving::Hangs, Saving::Fails]);
    let next = cut_off(&process, || shelf.attempts() == 3);
    assert_eq!(next.block_on(process.send()), 2, "it is handed out");
    assert_eq!(process.grant.state(), StoreState::Unsaved);
    shelf.script([Saving::Works]);
    next.block_on(async { sleep(SECOND * 2).await });
    assert_eq!(process.grant.state(), StoreState::Saved);
    assert!(shelf.has(r#""refresh_token":"r2""#) && !shelf.has("intent"));
}

#[test]
fn a_runtime_that_ends_during_the_commit_loses_nothing_while_the_process_lives() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = Process::new(&issuer, shelf.clone());
    // Login and intent, then the commit.
    shelf.script([Saving::Works, Saving::Works, Saving::Hangs, Saving::Works]);
    let next = cut_off(&process, || shelf.attempts() == 3);
    assert!(shelf.has(r#""refresh_token":"r1""#) && shelf.has("intent"));
    assert_eq!(next.block_on(process.send()), 2);
    assert!(shelf.has(r#""refresh_token":"r2""#));
    assert_eq!(next.block_on(process.renew()), 3);
    assert_eq!(
        (issuer.seen(), issuer.reuses()),
        (vec!["r1".into(), "r2".into()], 0)
    );
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_another_process_has_sent_under_is_no_longer_known_as_never_sent() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let never = Process::of(
        Stored::new(
            scripted(|_, _| at_once(Err(SourceError::temporary("refused").unspent()))),
            shelf.clone(),
        )
        .reuse_leeway(SECOND * 60)
        .wall_clock(wall().1),
    );
    never.log_in().await;
    never.send().await;
    let take = issuer.clone();
    let loses = Process::of(
        Stored::new(
            scripted(move |_, fetch| {
                let _ = take.take(&fetch);
                at_once(Err(SourceError::temporary("reset")))
            }),
            shelf.clone(),
        )
        .reuse_leeway(SECOND * 60)
        .wall_clock(wall().1),
    );
    loses.send().await;
    // The first one's intent cannot be taken back: it alone knows that nothing was sent.
    shelf.script([Saving::Works, Saving::Fails, Saving::Works]);
    never.token().invalidate();
    let wait = tokio::time::timeout(SECOND / 2, send(&never.client)).await;
    wait.expect_err("backing off");
    assert!(shelf.has("intent") && issuer.seen().is_empty());
    // Within the leeway the other one sends all the same, and its answer is lost.
    loses.token().invalidate();
    let wait = tokio::time::timeout(SECOND / 2, send(&loses.client)).await;
    wait.expect_err("backing off");
    assert_eq!(issuer.seen(), ["r1"]);
    sleep(SECOND * 600).await;
    assert_eq!(reason(&never.client).await, Reason::Refused);
    assert_eq!(never.grant.state(), StoreState::NeedsHuman);
}
