//! What a 401 does, and what it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use auth_layer::{Auth, AuthLayer, Reason, Slot, SourceError};
use call_context::{BoxError, Renewed, SlotName};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{
    Client, SECOND, Supply, at_once, chain, client, never, origin, refused, request, send, token,
};

fn is_renewed<B>(response: &Response<B>) -> bool {
    response.extensions().get::<Renewed>().is_some()
}

async fn answer(client: &Client) -> Response<String> {
    client.clone().oneshot(request()).await.expect("an answer")
}

async fn refuse_all(_: Request<String>) -> Result<Response<String>, BoxError> {
    tokio::time::sleep(SECOND / 100).await;
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    Ok(response)
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_and_the_401_marked() {
    let supply = Supply::default();
    let (auth, server, client) = client(supply.steady(SECOND, SECOND * 3600));
    assert!(!is_renewed(&answer(&client).await));
    // Accepted and older than a second: the next one is fetched at once.
    advance(SECOND * 5).await;
    server.refuse("t1");
    let start = Instant::now();
    let refused = answer(&client).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(is_renewed(&refused));
    assert_eq!(
        refused.extensions().get::<SlotName>(),
        Some(&"wallet".into())
    );
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
    let counts = auth.token("wallet").expect("a token slot").counts();
    assert_eq!(
        (counts.fetches, counts.renewals, counts.rejections),
        (2, 1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_thousand_late_401s_cause_one_renewal() {
    let supply = Supply::default();
    let auth = Auth::single(supply.steady(SECOND, SECOND * 3600)).expect("a valid slot");
    // All thousand are on their way with one token before the first refusal; half of them come back after the renewal.
    let departed = Arc::new(Barrier::new(1000));
    let late = AtomicU64::new(0);
    let late = Arc::new(late);
    let api = service_fn(move |request: Request<String>| {
        let (departed, late) = (Arc::clone(&departed), Arc::clone(&late));
        async move {
            assert_eq!(request.headers()[AUTHORIZATION], "Bearer t1");
            departed.wait().await;
            let n = late.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(SECOND * u32::try_from(n % 2).expect("small") * 10).await;
            let mut response = Response::new(String::new());
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            Ok::<_, BoxError>(response)
        }
    });
    let client = auth.layer().layer(api);
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        callers.spawn(client.clone().oneshot(request()));
    }
    for response in callers.join_all().await {
        assert!(is_renewed(&response.expect("an answer")));
    }
    assert_eq!(supply.fetches(), 2);
    let counts = auth.token("wallet").expect("a token slot").counts();
    assert_eq!((counts.renewals, counts.rejections), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_every_fresh_token_sees_no_storm() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| at_once(Ok(token(n).lifetime(SECOND * 3600))));
    let auth = Auth::single(slot.backoff(SECOND * 4, SECOND * 4)).expect("a valid slot");
    let api = service_fn(refuse_all);
    let client = auth.layer().layer(api);
    let start = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        callers.spawn(async move {
            while start.elapsed() < SECOND * 60 {
                let response = client.clone().oneshot(request()).await;
                assert!(is_renewed(&response.expect("an answer")));
            }
        });
    }
    callers.join_all().await;
    // At 0, 4.01, 8.02 and so on to 60.15 s, however many ask.
    assert_eq!(supply.fetches(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_cannot_wait_for_the_next_token_learns_that_the_last_was_refused() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| at_once(Ok(token(n).lifetime(SECOND * 3600))));
    let slot = slot.backoff(SECOND * 4, SECOND * 4).wait(SECOND);
    let client = Auth::single(slot).expect("a valid slot").layer();
    let client = client.layer(service_fn(refuse_all));
    let first = client.clone().oneshot(request()).await;
    assert_eq!(first.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    let error = client.oneshot(request()).await.expect_err("no token");
    assert_eq!(refused(&error).reason(), Reason::BackingOff);
    assert_eq!(
        chain(&*error),
        "credential slot `wallet`: the last fetch failed, and the next one is due too late for this request: the request \
         never left: the server refused the last token"
    );
    assert_eq!(supply.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_a_token_here_and_refuses_it_there_sees_no_storm() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| at_once(Ok(token(n).lifetime(SECOND * 3600))));
    let auth = Auth::single(slot).expect("a valid slot");
    let api = service_fn(async |request: Request<String>| {
        let mut response = Response::new(String::new());
        if request.uri().path() == "/refused" {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        Ok::<_, BoxError>(response)
    });
    let client = auth.layer().layer(api);
    let start = Instant::now();
    while start.elapsed() < SECOND * 60 {
        for path in ["/accepted", "/refused"] {
            let request = crate::support::to(&format!("https://api.example.com{path}"));
            client.clone().oneshot(request).await.expect("an answer");
        }
    }
    assert_eq!(supply.fetches(), 61, "one a second, the shortest pause");
}

#[tokio::test(start_paused = true)]
async fn a_401_without_a_newer_token_in_time_comes_up_unmarked() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| {
        if n == 1 {
            at_once(Ok(token(n)))
        } else {
            never()
        }
    });
    let (_, server, client) = client(slot.wait(SECOND * 7));
    send(&client).await.expect("a token");
    advance(SECOND * 5).await;
    server.refuse("t1");
    let start = Instant::now();
    let response = answer(&client).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.body(), "Bearer t1", "the server's own answer");
    assert!(!is_renewed(&response));
    assert_eq!(start.elapsed(), SECOND * 7);
}

#[tokio::test(start_paused = true)]
async fn a_401_after_which_the_source_refuses_for_good_comes_up_at_once() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| match n {
        1 => at_once(Ok(token(n))),
        _ => at_once(Err(SourceError::permanent("revoked"))),
    });
    let (_, server, client) = client(slot);
    send(&client).await.expect("a token");
    advance(SECOND * 5).await;
    server.refuse("t1");
    let start = Instant::now();
    assert!(!is_renewed(&answer(&client).await));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_403_and_a_missing_scope_renew_nothing() {
    for (status, challenge) in [
        (StatusCode::FORBIDDEN, None),
        (
            StatusCode::FORBIDDEN,
            Some(r#"Bearer error="insufficient_scope""#),
        ),
        (
            StatusCode::UNAUTHORIZED,
            Some(r#"Bearer error="insufficient_scope""#),
        ),
    ] {
        let supply = Supply::default();
        let slot = supply.steady(SECOND, SECOND * 3600);
        let api = service_fn(move |_: Request<String>| {
            let mut response = Response::builder().status(status);
            if let Some(challenge) = challenge {
                response = response.header(WWW_AUTHENTICATE, challenge);
            }
            let response = response.body(String::new());
            async move { Ok::<_, BoxError>(response?) }
        });
        let client = Auth::single(slot).expect("a valid slot").layer().layer(api);
        for _ in 0..3 {
            let response = client.clone().oneshot(request()).await.expect("an answer");
            assert_eq!(response.status(), status);
            assert!(!is_renewed(&response));
        }
        assert_eq!(supply.fetches(), 1, "{status} {challenge:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_static_key_is_not_renewed() {
    let (_, server, client) = client(Slot::key("business", "k1").origin(origin()));
    server.refuse("k1");
    let start = Instant::now();
    for _ in 0..3 {
        assert!(!is_renewed(&answer(&client).await));
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(server.seen(), ["Bearer k1"; 3]);
}

#[tokio::test(start_paused = true)]
async fn the_attacher_hands_a_401_up_before_the_renewal() {
    let supply = Supply::default();
    let auth = Auth::single(supply.steady(SECOND * 3, SECOND * 3600)).expect("a valid slot");
    let start = Instant::now();
    let api = service_fn(refuse_all);
    let attached = auth.attach().layer(api);
    let between = service_fn(move |request: Request<String>| {
        let attached = attached.clone();
        async move {
            let response = attached.oneshot(request).await;
            assert_eq!(
                start.elapsed(),
                SECOND * 3 + SECOND / 100,
                "no later than the answer itself"
            );
            response
        }
    });
    let response = auth.gate().layer(between).oneshot(request()).await;
    assert!(is_renewed(&response.expect("an answer")));
    assert!(
        start.elapsed() >= SECOND * 7,
        "a pause and a second fetch later"
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_takes_the_held_401_along() {
    let held = Arc::new(());
    let supply = Supply::default();
    let slot = supply.slot(|n, _| {
        if n == 1 {
            at_once(Ok(token(n)))
        } else {
            never()
        }
    });
    let layer: AuthLayer = Auth::single(slot).expect("a valid slot").layer();
    let body = Arc::clone(&held);
    let api = service_fn(move |_: Request<String>| {
        let mut response = Response::new(Arc::clone(&body));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        async move { Ok::<_, BoxError>(response) }
    });
    let mut client = layer.layer(api);
    let call = client.ready().await.expect("ready").call(request());
    assert!(tokio::time::timeout(SECOND * 2, call).await.is_err());
    drop(client);
    assert_eq!(Arc::strong_count(&held), 1);
}
