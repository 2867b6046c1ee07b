//! Each tenant has its own token, and nobody else's.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use auth_layer::{Auth, AuthLayer, Grant, Reason, Slot, Tenant, Tenants, source_fn};
use call_context::{BoxError, CallContext, SlotName};
use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use http::{HeaderName, Request, Response, StatusCode};
use tokio::time::{advance, sleep};
use tower::{Layer, ServiceExt, service_fn};

use super::{auth, is_token_of, most, of, send, tenants};
use crate::support::{SECOND, Server, is_permanent, origin, reason_of, request};

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
