//! Logging in and out.

use auth_layer::Reason;
use auth_layer::store::{GrantStore, StoreState};
use tokio::time::sleep;

use crate::commons::{Issuer, Process, Saving, Shelf, first};
use crate::support::{SECOND, after, reason};

#[tokio::test(start_paused = true)]
async fn clearing_forgets_the_grant_here_and_in_the_store_and_hands_over_what_is_to_be_revoked() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = Process::new(&issuer, shelf.clone());
    assert!(process.grant.clear().await.expect("emptied").is_none());
    process.log_in().await;
    process.send().await;
    assert_eq!(process.renew().await, 2);
    let cleared = process.grant.clear().await.expect("emptied").expect("one");
    assert_eq!(cleared.access_token.expose(), "t2");
    assert_eq!(cleared.refresh_token.expect("one").expose(), "r2");
    assert_eq!(shelf.text(), None);
    process.token().invalidate();
    assert_eq!(reason(&process.client).await, Reason::Refused);
    assert_eq!(issuer.seen(), ["r1", "nothing"]);
}

#[tokio::test(start_paused = true)]
async fn clearing_during_a_renewal_wins() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let take = issuer.clone();
    let process = Process::with(shelf.clone(), move |_, fetch| {
        after(SECOND * 3, take.take(&fetch))
    });
    process.log_in().await;
    process.send().await;
    process.token().invalidate();
    let client = process.client.clone();
    let call = tokio::spawn(async move { crate::support::send(&client).await });
    sleep(SECOND).await;
    let cleared = process.grant.clear().await.expect("emptied").expect("one");
    // The newest one, which the renewal has brought meanwhile: it can be revoked.
    assert_eq!(cleared.refresh_token.expect("one").expose(), "r2");
    assert_eq!(shelf.text(), None);
    call.await
        .expect("no panic")
        .expect_err("no token is handed out");
    assert_eq!(shelf.text(), None);
    assert_eq!(issuer.seen(), ["r1", "nothing"]);
}

#[tokio::test(start_paused = true)]
async fn clearing_happens_also_where_nobody_waits_for_it() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let take = issuer.clone();
    let process = Process::with(shelf.clone(), move |_, fetch| {
        after(SECOND * 3, take.take(&fetch))
    });
    process.log_in().await;
    process.send().await;
    process.token().invalidate();
    let client = process.client.clone();
    let call = tokio::spawn(async move { crate::support::send(&client).await });
    sleep(SECOND).await;
    let clear = tokio::time::timeout(SECOND, process.grant.clear()).await;
    clear.expect_err("the renewal still runs");
    call.await
        .expect("no panic")
        .expect_err("no token is handed out");
    assert_eq!(shelf.text(), None);
}

#[tokio::test(start_paused = true)]
async fn clearing_forgets_what_is_known_here_alone_too() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = Process::new(&issuer, shelf.clone());
    process.log_in().await;
    process.send().await;
    shelf.script([Saving::Works, Saving::Fails]);
    assert_eq!(process.renew().await, 2);
    assert_eq!(process.grant.state(), StoreState::Unsaved);
    let cleared = process.grant.clear().await.expect("emptied").expect("one");
    assert_eq!(cleared.refresh_token.expect("one").expose(), "r2");
    assert_eq!(process.grant.state(), StoreState::Unknown);
    let free = tokio::time::timeout(SECOND, shelf.lock()).await;
    drop(free.expect("nobody holds it").expect("locked"));
    shelf.script([Saving::Works]);
    sleep(SECOND * 600).await;
    assert_eq!(shelf.text(), None, "nothing is saved late");
}

#[tokio::test(start_paused = true)]
async fn a_new_login_takes_the_place_of_what_cannot_be_read_but_not_of_a_newer_programs() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = Process::new(&issuer, shelf.clone());
    shelf.set("{");
    assert_eq!(reason(&process.client).await, Reason::Refused);
    assert_eq!(shelf.text().as_deref(), Some("{"), "a fetch writes nothing");
    process.log_in().await;
    process.token().changed();
    assert_eq!(process.send().await, 1);

    for (newer, named) in [
        (r#"{"version":2,"grants":[]}"#, "version 2"),
        // In a spelling that this one does not know, and with all that it does know.
        (
            r#"{"version":"2.1","access_token":"t9","obtained_ms":0,"refresh_token":"r9"}"#,
            "another version",
        ),
    ] {
        shelf.set(newer);
        process.token().changed();
        process.token().invalidate();
        let refusal = process.refusal().await;
        assert!(refusal.contains(named), "{refusal}");
        assert!(refusal.contains("update this program"), "{refusal}");
        process.grant.put(first()).await.expect_err("left alone");
        process.grant.clear().await.expect_err("left alone");
        process.grant.forget_intent().await.expect_err("left alone");
        assert_eq!(shelf.text().as_deref(), Some(newer));
        assert!(issuer.seen().is_empty());
    }
    // A logout cannot forget it either, and says so. Here it holds.
    let left = shelf.text();
    let error = process.token().log_out().await.expect_err("left alone");
    let text = crate::support::chain(&error);
    assert!(text.contains("another version"), "{text}");
    assert_eq!(shelf.text(), left);
    assert_eq!(reason(&process.client).await, Reason::LoggedOut);
}
