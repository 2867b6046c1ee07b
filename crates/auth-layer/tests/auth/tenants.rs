//! A token for each tenant, within bounds.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use auth_layer::{
    Auth, AuthLayer, Fetch, Grant, GrantFuture, Reason, Slot, Source, SourceError, Tenant, Tenants,
    source_fn,
};
use call_context::{BoxError, CallContext, SlotName};
use futures_util::FutureExt;
use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use http::{HeaderName, Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{advance, sleep};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{SECOND, Server, is_permanent, origin, reason_of, request};

fn most(most: usize) -> NonZeroUsize {
    NonZeroUsize::new(most).expect("not zero")
}

fn of(tenant: &str) -> Request<String> {
    let mut request = request();
    request.extensions_mut().insert(Tenant::from(tenant));
    request
}

/// Tokens named after their tenant and counted over all tenants, each after a second.
fn tenants(fetches: &Arc<AtomicU64>) -> Tenants {
    let fetches = Arc::clone(fetches);
    Tenants::new(move |tenant: &Tenant| {
        let (tenant, fetches) = (tenant.clone(), Arc::clone(&fetches));
        source_fn(move |_| {
            let n = fetches.fetch_add(1, Ordering::SeqCst) + 1;
            let grant = Grant::new(format!("{tenant}-{n}")).expires_in(100_000);
            async {
                sleep(SECOND).await;
                Ok(grant)
            }
        })
    })
}

fn auth(tenants: Tenants) -> Auth {
    Auth::single(Slot::tenants("customers", tenants).origin(origin())).expect("a valid slot")
}

async fn send(client: &crate::support::Client, tenant: &str) -> Result<String, BoxError> {
    let response = client.clone().oneshot(of(tenant)).await?;
    Ok(response.into_body())
}

fn is_token_of(seen: &str, tenant: &str) -> bool {
    let rest = seen.strip_prefix(&format!("Bearer {tenant}-"));
    rest.is_some_and(|n| n.parse::<u64>().is_ok())
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_tenants_each_get_their_own_token_and_fetch_it_once() {
    let fetches = Arc::default();
    let auth = auth(tenants(&fetches));
    let client = Server::default().behind(auth.layer());
    let calls = (0..30_000).map(|n| {
        let client = &client;
        async move {
            let tenant = format!("t{}", n % 10_000);
            let seen = send(client, &tenant).await.expect("a token");
            assert!(is_token_of(&seen, &tenant), "{tenant} was given {seen}");
        }
    });
    join_all(calls).await;
    assert_eq!(fetches.load(Ordering::SeqCst), 10_000);
    assert_eq!(auth.tenant_count("customers"), Some(10_000));
}

#[test]
fn threads_that_fight_for_few_places_never_see_each_others_tokens() {
    let auth = auth(
        Tenants::new(|tenant: &Tenant| {
            let token = format!("{tenant}-0");
            source_fn(move |_| {
                let token = token.clone();
                async {
                    tokio::task::yield_now().await;
                    Ok(Grant::new(token).expires_in(1000))
                }
            })
        })
        .most(most(8)),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let client = Server::default().behind(auth.layer());
        let tasks = (0..16u64).map(|task| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut dice = fastrand::Rng::with_seed(task);
                let mut sent = 0;
                for _ in 0..500 {
                    let tenant = format!("t{}", dice.u32(0..40));
                    match send(&client, &tenant).await {
                        Ok(seen) => {
                            assert!(is_token_of(&seen, &tenant), "{tenant} was given {seen}");
                            sent += 1;
                        }
                        Err(error) => {
                            let refused = crate::support::refused(&error);
                            assert_eq!(refused.reason(), Reason::TooManyTenants);
                        }
                    }
                }
                sent
            })
        });
        let sent = join_all(tasks).await;
        let sent: u32 = sent.into_iter().map(|sent| sent.expect("no panic")).sum();
        assert!(sent > 0);
        assert!(auth.tenant_count("customers") <= Some(8));
    });
}

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

#[tokio::test(start_paused = true)]
async fn a_request_without_a_tenant_is_refused() {
    let auth = auth(tenants(&Arc::default()));
    let client = Server::default().behind(auth.layer());
    let refused = client.oneshot(request()).await;
    assert_eq!(reason_of(refused), Reason::NoTenant);
    assert!(is_permanent(Reason::NoTenant));
    assert!(auth.tenant("customers", "a").is_none());
    assert!(auth.tenant("nobody", "a").is_none());
    assert_eq!(auth.tenant_count("nobody"), None);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_may_be_read_from_a_header_and_names_the_slot_for_the_layers_below() {
    let account = HeaderName::from_static("x-account");
    let tenants = tenants(&Arc::default()).tenant_by(move |headers, _| {
        let account = headers.get(&account)?.to_str().ok()?;
        Some(Tenant::from(account))
    });
    let auth = auth(tenants);
    let api = service_fn(async |request: Request<String>| {
        let context = CallContext::get(request.extensions()).expect("a context");
        let slot = context.slot().expect("a slot").to_string();
        Ok::<_, BoxError>(Response::new(slot))
    });
    let mut request = request();
    let value = "acme".parse().expect("a value");
    request.headers_mut().insert("x-account", value);
    let response = auth.layer().layer(api).oneshot(request).await;
    assert_eq!(response.expect("sent").into_body(), "customers/acme");
}

#[tokio::test(start_paused = true)]
async fn a_401_renews_the_token_of_its_tenant_alone() {
    let fetches = Arc::default();
    let auth = auth(tenants(&fetches));
    let server = Server::default();
    let client = server.behind(auth.layer());
    for tenant in ["a", "b"] {
        send(&client, tenant).await.expect("a token");
    }
    server.refuse("a-1");
    advance(SECOND * 5).await;
    let refused = client.clone().oneshot(of("a")).await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(send(&client, "a").await.expect("a token"), "Bearer a-3");
    assert_eq!(send(&client, "b").await.expect("a token"), "Bearer b-2");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_changes_its_tenant_between_the_halves_is_refused() {
    let auth = auth(tenants(&Arc::default()));
    let attach = auth
        .attach()
        .layer(service_fn(async |request: Request<String>| {
            let value = &request.headers()[AUTHORIZATION];
            Ok::<_, BoxError>(Response::new(format!("{value:?}")))
        }));
    let swapped = service_fn(move |mut request: Request<String>| {
        request.extensions_mut().insert(Tenant::from("b"));
        attach.clone().oneshot(request)
    });
    // Both are known, and have tokens.
    let warm: AuthLayer = auth.layer();
    let warm = Server::default().behind(warm);
    for tenant in ["a", "b"] {
        send(&warm, tenant).await.expect("a token");
    }
    let refused = auth.gate().layer(swapped).oneshot(of("a")).await;
    assert_eq!(reason_of(refused), Reason::SlotChanged);
}

#[test]
fn a_slot_may_not_be_named_like_a_tenant_of_another_one() {
    let mistake = |other: Slot| {
        let slot = Slot::tenants("customers", tenants(&Arc::default()));
        let table = Auth::builder().slot(slot).slot(other).origin(origin());
        table.build().expect_err("no routes, at the least")
    };
    let inner = Slot::tenants("customers/eu", tenants(&Arc::default()));
    for (other, name) in [
        // The rate window and the checks of `acme` would be this one's.
        (Slot::key("customers/acme", "k1"), "customers/acme"),
        // Its `a` could be the other's `eu/a`.
        (inner, "customers/eu"),
    ] {
        let error = mistake(other);
        assert_eq!(error.slot().map(SlotName::as_str), Some(name));
        let text = error.to_string();
        assert!(
            text.contains("could be that of a tenant of `customers`"),
            "{text}"
        );
    }
    assert!(mistake(Slot::key("customers-eu", "k1")).slot().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_tenants_source_that_goes_through_a_stack_has_time_to_queue() {
    for (through, brings) in [(false, false), (true, true)] {
        let tenants = Tenants::new(move |_: &Tenant| {
            let source = source_fn(|_| async {
                sleep(SECOND * 25).await;
                Ok(Grant::new("x-1").expires_in(1000))
            });
            match through {
                true => source.through("business"),
                false => source,
            }
        });
        let client = Server::default().behind(auth(tenants).layer());
        assert_eq!(send(&client, "a").await.is_ok(), brings, "{through}");
    }
}

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
