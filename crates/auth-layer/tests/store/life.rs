//! A grant's ordinary life in a store.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use auth_layer::store::{MemoryStore, StoreState, Stored};
use auth_layer::{Grant, Reason, SourceError};
use call_context::BoxError;
use tokio::time::sleep;

use crate::commons::{Issuer, Process, Shelf, scripted};
use crate::support::{Client, SECOND, after, refused, send};

#[tokio::test(start_paused = true)]
async fn a_stored_token_that_lives_is_used_without_a_fetch() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    Process::new(&issuer, shelf.clone()).log_in().await;
    let next = Process::new(&issuer, shelf);
    assert_eq!(next.grant.state(), StoreState::Unknown);
    assert_eq!(next.send().await, 1);
    assert_eq!(next.grant.state(), StoreState::Saved);
    assert!(issuer.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_renewal_spends_the_stored_refresh_token_and_stores_the_next_one() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let process = Process::new(&issuer, shelf.clone());
    process.log_in().await;
    assert_eq!(process.send().await, 1);
    for n in 2..6 {
        assert_eq!(process.renew().await, n);
        assert!(shelf.has(&format!(r#""refresh_token":"r{n}""#)));
        assert!(!shelf.has("intent"), "the commit takes it away");
    }
    assert_eq!(issuer.seen(), ["r1", "r2", "r3", "r4"]);
    // The intent and the commit of each, and the login.
    assert_eq!(shelf.attempts(), 9);
    assert_eq!(Process::new(&issuer, shelf).send().await, 5);
}

#[tokio::test(start_paused = true)]
async fn the_intent_is_in_the_store_before_anything_is_sent() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let (seen, look) = (Arc::new(OnceLock::new()), shelf.clone());
    let (noted, take) = (Arc::clone(&seen), issuer.clone());
    let process = Process::with(shelf, move |_, fetch| {
        noted.set(look.text()).expect("once");
        let answer = take.take(&fetch);
        Box::pin(async { answer })
    });
    process.log_in().await;
    process.send().await;
    process.renew().await;
    let text = seen.get().cloned().flatten().expect("a text");
    // SHA-256 of `r1`.
    let sha = "82f3e9c695dc6b8d1b11818d5701919e286de8d47f7c3eb3100c485f79e57828";
    assert!(text.contains(sha), "{text}");
    assert!(text.contains(r#""refresh_token":"r1""#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn slots_on_one_store_share_each_renewal() {
    let (issuer, store) = (Issuer::default(), MemoryStore::new());
    let processes: [_; 5] = std::array::from_fn(|_| {
        let issuer = issuer.clone();
        Process::with(store.clone(), move |_, fetch| {
            after(SECOND, issuer.take(&fetch))
        })
    });
    processes[0].log_in().await;
    for n in 1..50 {
        let all = processes.iter().map(Process::send);
        assert_eq!(futures_util::future::join_all(all).await, [n; 5]);
        for process in &processes {
            process.token().invalidate();
        }
    }
    assert_eq!((issuer.seen().len(), issuer.reuses()), (48, 0));
}

#[tokio::test(start_paused = true)]
async fn what_another_process_got_is_adopted_while_it_renews_already() {
    let (issuer, shelf) = (Issuer::default(), Shelf::default());
    let slow = issuer.clone();
    let one = Process::with(shelf.clone(), move |_, fetch| {
        after(SECOND * 8, slow.take(&fetch))
    });
    one.log_in().await;
    one.send().await;
    let renewal = tokio::spawn(async move { one.renew().await });
    sleep(SECOND).await;
    let start = tokio::time::Instant::now();
    assert_eq!(Process::new(&issuer, shelf).send().await, 1);
    assert_eq!(start.elapsed(), Duration::ZERO, "not held up");
    assert_eq!(renewal.await.expect("no panic"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_grant_without_a_refresh_token_keeps_the_earlier_one() {
    let shelf = Shelf::default();
    let process = Process::with(shelf.clone(), |n, fetch| {
        let sent = fetch.refresh_token().expect("one").expose().to_owned();
        assert_eq!(sent, if n < 3 { "r1" } else { "r9" });
        let grant = Grant::new(format!("t{}", n + 1)).expires_in(100);
        after(
            SECOND,
            Ok(if n == 2 {
                grant.refresh_token("r9")
            } else {
                grant
            }),
        )
    });
    process.log_in().await;
    assert_eq!(process.send().await, 1);
    for n in 2..5 {
        assert_eq!(process.renew().await, n);
    }
    assert!(shelf.has(r#""refresh_token":"r9""#));
}

#[tokio::test(start_paused = true)]
async fn a_source_without_refresh_tokens_shares_its_access_tokens() {
    let shelf = Shelf::default();
    let script = |n: u64, fetch: auth_layer::Fetch| {
        assert!(fetch.refresh_token().is_none());
        after(SECOND, Ok(Grant::new(format!("t{n}")).expires_in(100)))
    };
    let one = Process::with(shelf.clone(), script);
    let other = Process::with(shelf.clone(), |_, _| panic!("nothing to fetch"));
    assert_eq!((one.send().await, other.send().await), (1, 1));
    // Nothing is used up, so nothing is written down before.
    assert_eq!(shelf.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_a_server_refuses_is_renewed_once_for_all() {
    let (issuer, store) = (Issuer::default(), MemoryStore::new());
    let one = Process::new(&issuer, store.clone());
    let other = Process::new(&issuer, store);
    one.log_in().await;
    assert_eq!((one.send().await, other.send().await), (1, 1));
    sleep(SECOND * 2).await;
    one.server.refuse("t1");
    other.server.refuse("t1");
    for process in [&one, &other] {
        send(&process.client).await.expect("an answer");
        assert_eq!(process.send().await, 2);
    }
    assert_eq!(issuer.seen(), ["r1"]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_waits_for_its_own_slot_is_still_found_out() {
    let own: Arc<OnceLock<Client>> = Arc::default();
    let client = Arc::clone(&own);
    let source = scripted(move |_, _| {
        let client = client.get().cloned().expect("set");
        Box::pin(async move {
            let error: BoxError = send(&client).await.expect_err("its own slot");
            assert_eq!(refused(&error).reason(), Reason::OwnFetch);
            Err(SourceError::permanent("found out"))
        })
    });
    let process = Process::of(Stored::new(source, MemoryStore::new()));
    own.get_or_init(|| process.client.clone());
    let refusal = process.refusal().await;
    assert!(refusal.contains("found out"), "{refusal}");
}
