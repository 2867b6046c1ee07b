//! Which tenants are forgotten for others, and which never.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use auth_layer::{
    Auth, Fetch, Grant, GrantFuture, Reason, Slot, Source, SourceError, Tenant, Tenants, source_fn,
};
use call_context::BoxError;
use futures_util::future::join_all;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tokio::time::{advance, sleep};
use tower::{Layer, ServiceExt, service_fn};

use super::{auth, is_token_of, most, of, send, tenants};
use crate::support::{SECOND, Server, is_permanent, origin, reason_of};

#[tokio::test(start_paused = true)]
async fn a_tenant_is_forgotten_for_another_one_and_not_while_its_fetch_runs() {
    let fetches = Arc::default();
    let auth = auth(tenants(&fetches).most(most(1)));
    let client = Server::default().behind(auth.layer());
    // Its caller goes away; the fetch goes on.
    let first = tokio::time::timeout(SECOND / 2, send(&client, "a")).await;
    first.expect_err("no token yet");
    let refused = send(&client, "b").await.expect_err("no room");
    let refused = crate::support::refused(&refused);
    assert_eq!(refused.reason(), Reason::TooManyTenants);
    assert!(!is_permanent(Reason::TooManyTenants));
    sleep(SECOND).await;
    let sent = send(&client, "b").await;
    sent.expect("there is room once the fetch is done");
    assert!(auth.tenant("customers", "a").is_none());
    assert!(auth.tenant("customers", "b").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_full_of_tenants_that_were_used_of_late_takes_a_new_one() {
    let fetches = Arc::default();
    let auth = auth(tenants(&fetches).most(most(1000)));
    let client = Server::default().behind(auth.layer());
    let fill = (0..1000).map(|n| {
        let client = client.clone();
        async move { send(&client, &format!("t{n}")).await }
    });
    for sent in join_all(fill).await {
        sent.expect("room");
    }
    for n in 1000..1100 {
        advance(SECOND).await;
        let seen = send(&client, &format!("t{n}")).await;
        assert!(is_token_of(
            &seen.expect("nobody is busy"),
            &format!("t{n}")
        ));
        assert_eq!(auth.tenant_count("customers"), Some(1000));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_not_forgotten_while_a_call_of_it_is_under_way_or_a_handle_is_kept() {
    let fetches = Arc::default();
    let auth = auth(tenants(&fetches).most(most(1)));
    let answers = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&answers);
    let api = service_fn(move |_: Request<String>| {
        let held = Arc::clone(&held);
        async move {
            let _ = held.acquire().await;
            Ok::<_, BoxError>(Response::new(String::new()))
        }
    });
    let client = auth.layer().layer(api);
    let call = tokio::spawn(client.clone().oneshot(of("a")));
    sleep(SECOND * 2).await;
    for _ in 0..5 {
        let refused = client.clone().oneshot(of("b")).await;
        assert_eq!(reason_of(refused), Reason::TooManyTenants);
    }
    answers.add_permits(1000);
    call.await.expect("no panic").expect("an answer");
    let handle = auth.tenant("customers", "a").expect("known");
    for _ in 0..5 {
        let refused = client.clone().oneshot(of("b")).await;
        assert_eq!(reason_of(refused), Reason::TooManyTenants);
    }
    drop(handle);
    let sent = client.clone().oneshot(of("b")).await;
    assert!(sent.is_ok(), "nobody holds on to it");
}

struct Rotating {
    is_stored: bool,
}

impl Source for Rotating {
    fn fetch(&self, _: Fetch) -> GrantFuture<'_> {
        let grant = Grant::new("x-1").refresh_token("r").expires_in(1000);
        Box::pin(async { Ok(grant) })
    }

    fn can_be_forgotten(&self, slot_has_refresh_token: bool) -> bool {
        assert!(slot_has_refresh_token);
        self.is_stored
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_refresh_token_nobody_else_has_is_never_forgotten() {
    for is_stored in [false, true] {
        let tenants = Tenants::new(move |_: &Tenant| Rotating { is_stored });
        let auth = auth(tenants.most(most(2)).idle(SECOND * 60));
        let client = Server::default().behind(auth.layer());
        for tenant in ["a", "b"] {
            send(&client, tenant).await.expect("room");
        }
        advance(SECOND * 3600).await;
        assert_eq!(send(&client, "c").await.is_ok(), is_stored);
        assert_eq!(auth.tenant("customers", "a").is_some(), !is_stored);
    }
}

#[tokio::test(start_paused = true)]
async fn tenants_that_send_nothing_are_forgotten_when_others_come() {
    let fetches = Arc::default();
    let auth = auth(tenants(&fetches).idle(SECOND * 60));
    let client = Server::default().behind(auth.layer());
    for tenant in ["a", "b"] {
        send(&client, tenant).await.expect("room");
    }
    advance(SECOND * 30).await;
    send(&client, "b").await.expect("known");
    advance(SECOND * 31).await;
    send(&client, "c").await.expect("room");
    assert!(auth.tenant("customers", "a").is_none());
    assert!(auth.tenant("customers", "b").is_some());
    assert_eq!(auth.tenant_count("customers"), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_in_a_pause_after_a_failure_is_kept_so_that_the_pause_is() {
    let fetches = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&fetches);
    let tenants = Tenants::new(move |_: &Tenant| {
        let fetches = Arc::clone(&counted);
        source_fn(move |_| {
            fetches.fetch_add(1, Ordering::SeqCst);
            async { Err(SourceError::temporary("down")) }
        })
    });
    let slot = Slot::tenants("customers", tenants.most(most(1))).origin(origin());
    let slot = slot.backoff(SECOND * 60, SECOND * 60).wait(SECOND);
    let auth = Auth::single(slot).expect("a valid slot");
    let client = Server::default().behind(auth.layer());
    for _ in 0..10 {
        for tenant in ["a", "b"] {
            send(&client, tenant).await.expect_err("no token");
        }
    }
    assert_eq!(fetches.load(Ordering::SeqCst), 1, "one tenant, one pause");
}

#[tokio::test(start_paused = true)]
async fn a_logged_out_tenant_stays_so_until_it_was_idle_for_long() {
    let fetches = Arc::default();
    let auth = auth(tenants(&fetches).most(most(1)).idle(SECOND * 60));
    let client = Server::default().behind(auth.layer());
    send(&client, "a").await.expect("a token");
    let handle = auth.tenant("customers", "a").expect("known");
    handle.log_out().await.expect("told");
    drop(handle);
    for _ in 0..5 {
        let refused = client.clone().oneshot(of("b")).await;
        assert_eq!(reason_of(refused), Reason::TooManyTenants);
    }
    let refused = client.clone().oneshot(of("a")).await;
    assert_eq!(reason_of(refused), Reason::LoggedOut);
    advance(SECOND * 60).await;
    send(&client, "b").await.expect("room");
}
