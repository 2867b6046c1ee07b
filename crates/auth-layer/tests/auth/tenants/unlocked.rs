//! Sources of tenants are made, asked and dropped without the table's lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use auth_layer::{Auth, Fetch, Grant, GrantFuture, Source, Tenant, Tenants, source_fn};
use call_context::SlotName;
use futures_util::FutureExt;
use tokio::time::sleep;
use tower::ServiceExt;

use super::{auth, is_token_of, most, of, send};
use crate::support::{SECOND, Server};

/// Whether anybody can use the table while code of the user's runs.
#[derive(Clone, Default)]
struct Probe {
    auth: Arc<OnceLock<Auth>>,
    seen: Arc<Mutex<Vec<(&'static str, bool)>>>,
}

impl Probe {
    /// Looks at the table from another thread, which the lock would keep waiting.
    fn look(&self, from: &'static str) {
        let auth = self.auth.get().expect("set at the start").clone();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(auth.tenant_count("customers")));
        let answered = told.recv_timeout(SECOND * 5).is_ok();
        self.seen
            .lock()
            .expect("not poisoned")
            .push((from, answered));
    }

    /// From where it was looked at, since the last time.
    fn seen(&self) -> Vec<&'static str> {
        let mut seen = std::mem::take(&mut *self.seen.lock().expect("not poisoned"));
        seen.dedup();
        let from = seen.into_iter().map(|(from, answered)| {
            assert!(answered, "locked out from `{from}`");
            from
        });
        from.collect()
    }
}

/// Comes back to the table whenever it is asked something.
struct ComesBack(Probe, Tenant);

impl Source for ComesBack {
    fn fetch(&self, _: Fetch) -> GrantFuture<'_> {
        let grant = Grant::new(format!("{}-0", self.1)).expires_in(1000);
        Box::pin(async { Ok(grant) })
    }

    fn can_be_forgotten(&self, _: bool) -> bool {
        self.0.look("can_be_forgotten");
        assert_ne!(self.1.as_str(), "touchy", "as it is called");
        true
    }

    fn through(&self) -> Option<SlotName> {
        self.0.look("through");
        None
    }
}

impl Drop for ComesBack {
    fn drop(&mut self) {
        self.0.look("drop");
        assert_ne!(self.1.as_str(), "spiteful", "as it is called");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_the_users_runs_and_ends_without_the_lock_and_may_panic() {
    let probe = Probe::default();
    let panics = Arc::new(AtomicBool::new(false));
    let tenants = Tenants::new({
        let (probe, panics) = (probe.clone(), Arc::clone(&panics));
        move |tenant: &Tenant| {
            probe.look("new");
            let source = ComesBack(probe.clone(), tenant.clone());
            assert!(!panics.load(Ordering::SeqCst), "as it was told");
            source
        }
    });
    let auth = auth(tenants.most(most(2)));
    probe.auth.set(auth.clone()).expect("once");
    let client = Server::default().behind(auth.layer());
    let call = |tenant: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { send(&client, tenant).await })
    };
    let works = async |tenant: &'static str| {
        let seen = call(tenant).await.expect("no panic").expect("a token");
        assert!(is_token_of(&seen, tenant), "{tenant} was given {seen}");
    };
    works("a").await;
    works("b").await;
    assert_eq!(probe.seen(), ["new", "through", "new", "through"]);
    sleep(SECOND).await;
    // One of them makes room.
    works("c").await;
    let asked = ["can_be_forgotten", "new", "through", "drop"];
    assert_eq!(probe.seen(), asked);
    // A panic of the function that makes sources is its request's own, and costs nobody a place.
    panics.store(true, Ordering::SeqCst);
    assert!(call("d").await.expect_err("it panics").is_panic());
    assert_eq!(probe.seen(), ["can_be_forgotten", "new", "drop"]);
    assert_eq!(auth.tenant_count("customers"), Some(2));
    panics.store(false, Ordering::SeqCst);
    // That of a source which is asked or dropped for another tenant harms nobody.
    sleep(SECOND).await;
    works("touchy").await;
    for tenant in ["e", "f", "g"] {
        sleep(SECOND).await;
        works(tenant).await;
    }
    assert!(auth.tenant("customers", "touchy").is_some(), "it said no");
    sleep(SECOND).await;
    works("spiteful").await;
    for tenant in ["h", "i"] {
        sleep(SECOND).await;
        works(tenant).await;
    }
    assert!(auth.tenant("customers", "spiteful").is_none());
    assert_eq!(auth.tenant_count("customers"), Some(2));
    probe.seen();
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_met_while_its_source_is_made_has_one_slot() {
    let fetches = Arc::new(AtomicU64::new(0));
    let inner = Arc::new(OnceLock::<crate::support::Client>::new());
    let tenants = Tenants::new({
        let (fetches, inner) = (Arc::clone(&fetches), Arc::clone(&inner));
        let depth = AtomicU64::new(0);
        move |tenant: &Tenant| {
            if depth.fetch_add(1, Ordering::SeqCst) == 0 {
                // Another request for the same tenant, before this one is done.
                let client = inner.get().expect("set at the start").clone();
                let request = of(tenant.as_str());
                let mut call = Box::pin(client.oneshot(request));
                assert!((&mut call).now_or_never().is_none(), "it waits for a token");
            }
            let fetches = Arc::clone(&fetches);
            source_fn(move |_| {
                fetches.fetch_add(1, Ordering::SeqCst);
                async {
                    sleep(SECOND).await;
                    Ok(Grant::new("a-0").expires_in(1000))
                }
            })
        }
    });
    let auth = auth(tenants);
    let client = Server::default().behind(auth.layer());
    let _ = inner.set(client.clone());
    assert_eq!(send(&client, "a").await.expect("a token"), "Bearer a-0");
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
    assert_eq!(auth.tenant_count("customers"), Some(1));
}

#[tokio::test(start_paused = true)]
async fn one_whose_room_is_taken_while_its_source_is_made_has_that_of_the_next() {
    let inner = Arc::new(Mutex::new(None::<crate::support::Client>));
    let made = Arc::new(AtomicU64::new(0));
    let tenants = Tenants::new({
        let (inner, made) = (Arc::clone(&inner), Arc::clone(&made));
        move |tenant: &Tenant| {
            if tenant.as_str() == "e" {
                made.fetch_add(1, Ordering::SeqCst);
                // Another new tenant is met before this one is done.
                let client = inner.lock().expect("not poisoned").clone();
                let call = client.expect("set at the start").oneshot(of("f"));
                let mut call = Box::pin(call);
                assert!((&mut call).now_or_never().is_none(), "it waits for a token");
            }
            let token = format!("{tenant}-0");
            source_fn(move |_| {
                let token = token.clone();
                async {
                    sleep(SECOND).await;
                    Ok(Grant::new(token).expires_in(1000))
                }
            })
        }
    });
    // The table is full, or has one place left, for which both come.
    for known in [&["a", "b", "c", "d"][..], &["a", "b", "c"]] {
        made.store(0, Ordering::SeqCst);
        let auth = auth(tenants.clone().most(most(4)));
        let client = Server::default().behind(auth.layer());
        *inner.lock().expect("not poisoned") = Some(client.clone());
        for tenant in known {
            send(&client, tenant).await.expect("a token");
        }
        sleep(SECOND).await;
        let seen = send(&client, "e").await.expect("others may go");
        assert_eq!(seen, "Bearer e-0");
        assert_eq!(made.load(Ordering::SeqCst), 1);
        assert!(auth.tenant("customers", "f").is_some());
        assert_eq!(auth.tenant_count("customers"), Some(4));
    }
}
