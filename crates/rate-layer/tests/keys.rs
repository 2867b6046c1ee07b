//! A window for each key.
#![cfg(not(loom))]

mod support;

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use call_context::{BoxError, CallContext, NeverLeft, Refusal};
use http::{HeaderName, Request, Response};
use rate_layer::{
    Charge, Key, Keyed, MINUTE, Quota, RateError, RateErrorKind, RateLayer, Rule, SECOND, Windows,
    XRateLimit, key,
};
use support::{MS, Server};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

const ACCOUNT: HeaderName = HeaderName::from_static("x-account");
/// One place a second, held for 1010 ms.
const ONE: Quota = Quota::rolling(1, SECOND);

fn keys(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("not zero")
}

fn of(account: &str) -> Request<()> {
    let request = Request::get("https://api.example.com/canary").header(ACCOUNT, account);
    request.body(()).expect("a request")
}

async fn send(layer: &RateLayer, request: Request<()>) -> Result<(), BoxError> {
    let server = Server::with_latency(Duration::ZERO);
    layer.layer(server).oneshot(request).await.map(drop)
}

fn kind(error: &BoxError) -> RateErrorKind {
    error.downcast_ref::<RateError>().expect("ours").kind()
}

#[derive(Clone)]
struct Tenant(u64);

#[tokio::test(start_paused = true)]
async fn each_key_has_a_window_of_its_own_wherever_the_key_is_found() {
    let by_tenant = |quota: Quota| {
        Keyed::new(quota, |head| {
            head.extensions()
                .get::<Tenant>()
                .map(|tenant| Key::from(tenant.0))
        })
    };
    let by_path = key::path("/accounts/{account}/{*rest}", "account").expect("a pattern");
    for (name, keyed) in [
        ("slot", Keyed::new(ONE, key::slot)),
        ("header", Keyed::new(ONE, key::header(ACCOUNT))),
        ("extension", by_tenant(ONE)),
        ("host", Keyed::new(ONE, key::host)),
        ("path", Keyed::new(ONE, by_path)),
    ] {
        let layer = RateLayer::new(keyed).refuse();
        let of = |key: u64, path: &str| {
            let uri = format!("https://api-{key}.example.com/accounts/{key}/{path}");
            let mut request = Request::get(uri)
                .header(ACCOUNT, key)
                .body(())
                .expect("a request");
            request.extensions_mut().insert(Tenant(key));
            CallContext::of(request.extensions_mut()).set_slot(format!("slot-{key}").into());
            request
        };
        send(&layer, of(1, "orders")).await.expect(name);
        let error = send(&layer, of(1, "trades")).await.expect_err(name);
        assert_eq!(kind(&error), RateErrorKind::WouldWait, "{name}");
        send(&layer, of(2, "orders")).await.expect(name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_key_is_refused_for_good() {
    let layer = RateLayer::new(Keyed::new(ONE, key::header(ACCOUNT)));
    let request = Request::get("https://api.example.com/canary")
        .body(())
        .expect("a request");
    let error = send(&layer, request).await.expect_err("no key");
    assert_eq!(
        (kind(&error), NeverLeft::find(&*error)),
        (RateErrorKind::NoWindow, Some(Refusal::Permanent))
    );
    assert_eq!(
        error.to_string(),
        "the request has no key by which its window would be found: see to it that each has one, or count those without one by \
         a layer of their own"
    );
}

#[tokio::test(start_paused = true)]
async fn full_of_keys_that_count_still_it_refuses_new_ones_and_shows_none() {
    let windows = Windows::bounded(ONE, keys(2), MINUTE);
    let layer = RateLayer::new(Keyed::shared(windows.clone(), key::header(ACCOUNT)));
    send(&layer, of("canary-1")).await.expect("served");
    sleep(500 * MS).await;
    send(&layer, of("canary-2")).await.expect("served");
    let start = Instant::now();
    let error = send(&layer, of("canary-3")).await.expect_err("full");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(
        (kind(&error), NeverLeft::find(&*error)),
        (RateErrorKind::TooManyKeys, Some(Refusal::Local))
    );
    assert_eq!(
        error.to_string(),
        "there are windows for 2 keys, as many as may be, and all of them count still: raise `most`, or look whether the key is \
         one (a key that is different for each request limits nothing)"
    );
    let printed = format!("{error:?} {layer:?} {windows:?}");
    assert!(!printed.contains("canary"), "{printed}");
    let error = windows.window("canary-3").expect_err("full");
    assert_eq!(error.kind(), RateErrorKind::TooManyKeys);
    // Those that are there are served as ever.
    send(&layer, of("canary-2")).await.expect("served");
    assert_eq!(start.elapsed(), 1_010 * MS);
    // The first one's place does not count any more: it makes room.
    send(&layer, of("canary-3")).await.expect("served");
    assert_eq!(windows.len(), 2);
    assert_eq!(start.elapsed(), 1_010 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_not_forgotten_while_a_place_of_its_counts_or_somebody_waits() {
    let windows = Windows::bounded(ONE, keys(1), Duration::ZERO);
    let layer = RateLayer::new(Keyed::shared(windows.clone(), key::header(ACCOUNT)));
    let start = Instant::now();
    send(&layer, of("a")).await.expect("served");
    for at in [0, 400, 1_009] {
        sleep(start + at * MS - Instant::now()).await;
        send(&layer, of("b")).await.expect_err("full");
        let error = send(&layer.clone().refuse(), of("a"))
            .await
            .expect_err("counts still");
        assert_eq!(kind(&error), RateErrorKind::WouldWait);
    }
    // One that waits while the program holds it up.
    let window = windows.window("a").expect("there");
    window.pause();
    let waits = tokio::spawn(
        layer
            .clone()
            .layer(Server::with_latency(Duration::ZERO))
            .oneshot(of("a")),
    );
    sleep(600 * MS).await;
    send(&layer, of("b")).await.expect_err("full");
    assert_eq!(window.snapshot().waiting, 1);
    window.resume();
    waits.await.expect("no panic").expect("served");
    assert_eq!(start.elapsed(), 1_609 * MS);
    sleep(1_010 * MS).await;
    send(&layer, of("b")).await.expect("a is forgotten");
    assert_eq!(windows.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_window_of_one_key_is_read_and_changed_without_the_others() {
    let windows = Windows::new(Quota::rolling(2, SECOND));
    let layer = RateLayer::new(Keyed::shared(windows.clone(), key::header(ACCOUNT))).refuse();
    let a = windows.window("a").expect("room");
    send(&layer, of("a")).await.expect("served");
    assert_eq!((a.snapshot().limit, a.snapshot().used), (2, 1));
    a.set_limit(NonZeroU32::MIN);
    send(&layer, of("a"))
        .await
        .expect_err("one is all it has now");
    for _ in 0..2 {
        send(&layer, of("b")).await.expect("two as ever");
    }
    sleep(2 * SECOND).await;
    windows.window("b").expect("there").pause();
    send(&layer, of("b")).await.expect_err("paused");
    send(&layer, of("a")).await.expect("not paused");
    a.throttled(Some(5 * SECOND));
    assert_eq!(a.snapshot().next_free, 5 * SECOND);
    assert_eq!(windows.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_handle_of_a_key_that_is_forgotten_reads_as_idle_and_harms_nobody() {
    let windows = Windows::bounded(ONE, keys(1), MINUTE);
    let layer = RateLayer::new(Keyed::shared(windows.clone(), key::header(ACCOUNT))).refuse();
    let a = windows.window("a").expect("room");
    let one_a = RateLayer::new(a.clone()).refuse();
    sleep(MS).await;
    // Its room is needed.
    send(&layer, of("b")).await.expect("served");
    let b = windows.window("b").expect("there");
    let before = b.snapshot();
    assert_eq!(before.used, 1);

    let snapshot = a.snapshot();
    assert_eq!(
        (snapshot.limit, snapshot.used, snapshot.next_free),
        (1, 0, Duration::ZERO)
    );
    a.set_limit(NonZeroU32::new(9).expect("not zero"));
    a.pause();
    a.throttled(Some(MINUTE));
    let error = a.try_admit(NonZeroU32::MIN).expect_err("no room for it");
    assert_eq!(error.kind(), RateErrorKind::TooManyKeys);
    let error = send(&one_a, of("any")).await.expect_err("no room for it");
    assert_eq!(kind(&error), RateErrorKind::TooManyKeys);
    // The windows of a kind are counted together: five times there was no room for a key.
    let mut expected = before;
    expected.counts.refused += 5;
    assert_eq!(b.snapshot(), expected);

    // Once there is room again, the key has a window again.
    sleep(2 * SECOND).await;
    send(&one_a, of("any")).await.expect("served");
    assert_eq!(windows.len(), 1);
    let snapshot = a.snapshot();
    assert_eq!((snapshot.limit, snapshot.used), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn windows_of_keys_have_others_beside_them_in_which_requests_take_places_too() {
    let windows = Windows::new(Quota::rolling(2, SECOND));
    let total = windows.beside(Quota::rolling(3, SECOND));
    let layer = RateLayer::new(Keyed::shared(windows.clone(), key::header(ACCOUNT)))
        .also(total.clone())
        .refuse();
    for (account, served) in [
        ("a", true),
        ("a", true),
        ("a", false),
        ("b", true),
        ("b", false),
    ] {
        let outcome = send(&layer, of(account)).await;
        assert_eq!(outcome.is_ok(), served, "{account}");
    }
    assert_eq!(total.snapshot().used, 3);
    assert_eq!(windows.window("b").expect("there").snapshot().used, 1);
}

#[tokio::test(start_paused = true)]
async fn keys_that_nobody_asks_for_are_forgotten() {
    let windows = Windows::bounded(ONE, keys(1_000), 10 * SECOND);
    let layer = RateLayer::new(Keyed::shared(windows.clone(), key::header(ACCOUNT)));
    for account in 0..100 {
        send(&layer, of(&format!("old-{account}")))
            .await
            .expect("served");
    }
    assert_eq!(windows.len(), 100);
    sleep(9 * SECOND).await;
    send(&layer, of("old-7")).await.expect("served");
    sleep(SECOND).await;
    // Each new key has a few old ones looked at.
    for account in 0..30 {
        send(&layer, of(&format!("new-{account}")))
            .await
            .expect("served");
    }
    assert_eq!(
        windows.len(),
        31,
        "the new ones, and the one that was asked for"
    );
    let before = windows.len();
    send(&layer, of("old-7")).await.expect("served");
    assert_eq!(windows.len(), before);
}

#[tokio::test(start_paused = true)]
async fn two_keys_of_one_request_are_counted_or_neither_is() {
    const TENANT: HeaderName = HeaderName::from_static("x-tenant");
    let windows = Windows::bounded(ONE, keys(1), MINUTE);
    let layer = RateLayer::new(Keyed::shared(windows.clone(), key::header(ACCOUNT)))
        .also(Keyed::shared(windows.clone(), key::header(TENANT)));
    let both = |account: &str, tenant: &str| {
        let mut request = of(account);
        request
            .headers_mut()
            .insert(TENANT, tenant.parse().expect("a value"));
        request
    };
    // There is room for one of them alone.
    let error = send(&layer, both("a", "b")).await.expect_err("no room");
    assert_eq!(kind(&error), RateErrorKind::TooManyKeys);
    for key in ["a", "b"] {
        sleep(20 * MS).await;
        let snapshot = windows.window(key).expect("nothing counts").snapshot();
        assert_eq!((snapshot.used, snapshot.in_flight), (0, 0), "{key}");
    }
    sleep(20 * MS).await;
    // The same key twice costs two places, which it does not have.
    let error = send(&layer, both("a", "a")).await.expect_err("two of one");
    assert_eq!(kind(&error), RateErrorKind::CostTooHigh);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_kept_for_a_charge_of_nothing_that_may_be_set_higher_yet() {
    let windows = Windows::bounded(Quota::rolling(10, SECOND), keys(1), Duration::ZERO);
    let rule = Rule::new(Keyed::shared(windows.clone(), key::header(ACCOUNT))).charged_later();
    let layer = RateLayer::new(rule);
    let server = Server::with_latency(Duration::ZERO);
    let response = layer.layer(server).oneshot(of("a")).await;
    let mut response = response.expect("served");
    let charge = response.extensions_mut().get_mut::<Charge>();
    let charge = charge.expect("a charge");
    let used = || windows.window("a").map(|window| window.snapshot().used);
    for (wait, cost) in [(0, 0), (500, 7), (400, 0), (100, 3)] {
        sleep(wait * MS).await;
        let error = send(&layer, of("b")).await.expect_err("the first is kept");
        assert_eq!(kind(&error), RateErrorKind::TooManyKeys);
        charge.set(cost);
        assert_eq!(used().expect("kept"), cost);
    }
    charge.set(0);
    sleep(10 * MS).await;
    // The request has left the window by now: there is nothing to be set right any more.
    send(&layer, of("b")).await.expect("the first is forgotten");
    charge.set(5);
    assert_eq!(windows.len(), 1);
    let error = windows.window("a").expect_err("no room");
    assert_eq!(error.kind(), RateErrorKind::TooManyKeys);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_the_program_has_set_keeps_its_key_until_it_is_set_back() {
    let windows = Windows::bounded(ONE, keys(2), 10 * SECOND);
    let layer = RateLayer::new(Keyed::shared(windows.clone(), key::header(ACCOUNT))).refuse();
    let a = windows.window("a").expect("room");
    assert!(a.set_limit(NonZeroU32::new(9).expect("not zero")));
    for account in 0..20 {
        sleep(20 * SECOND).await;
        send(&layer, of(&format!("{account}")))
            .await
            .expect("served");
        assert_eq!((a.snapshot().limit, windows.len()), (9, 2));
    }
    sleep(2 * SECOND).await;
    let b = windows.window("b").expect("the last one's room");
    assert!(b.set_limit(NonZeroU32::new(5).expect("not zero")));
    let error = send(&layer, of("c")).await.expect_err("both are kept");
    assert_eq!(kind(&error), RateErrorKind::TooManyKeys);
    // As it was at first: made anew, it would be the same.
    assert!(a.set_limit(NonZeroU32::MIN));
    send(&layer, of("c")).await.expect("the first is forgotten");
    assert_eq!(b.snapshot().limit, 5);
    // There is no room for it, and it says so.
    assert!(!a.set_limit(NonZeroU32::new(9).expect("not zero")));
    assert!(!a.pause() && !a.resume());
    assert!(b.pause() && b.resume());
}

#[tokio::test(start_paused = true)]
async fn where_room_is_needed_a_limit_that_the_server_has_stated_is_forgotten_last() {
    let quota = Quota::rolling(10, SECOND).adopt_up_to(100);
    let windows = Windows::bounded(quota, keys(3), 60 * SECOND);
    let keyed = Keyed::shared(windows.clone(), key::header(ACCOUNT));
    let layer = RateLayer::new(keyed).listen(XRateLimit::new());
    let server = Server::with_latency(Duration::ZERO).responding(|request| {
        let account = request.headers()[ACCOUNT].to_str().expect("text");
        let response = Response::builder();
        let response = match account.strip_prefix("stated-") {
            Some(limit) => response.header("x-ratelimit-limit", limit),
            None => response,
        };
        response.body(()).expect("a response")
    });
    let client = layer.layer(server);
    let ask = async |account: &str| {
        let answer = client.clone().oneshot(of(account)).await;
        answer.expect("there is room");
    };
    for account in ["stated-4", "stated-50", "plain", "another", "one more"] {
        ask(account).await;
        sleep(2 * SECOND).await;
    }
    for limit in [4, 50] {
        let window = windows.window(format!("stated-{limit}")).expect("there");
        assert_eq!(window.snapshot().limit, limit);
    }
    // Once all others are in use, one of them goes; in time, all do.
    sleep(60 * SECOND).await;
    for account in ["plain", "another", "one more"] {
        ask(account).await;
    }
    sleep(2 * SECOND).await;
    let window = windows.window("stated-4").expect("room");
    assert_eq!(window.snapshot().limit, 10, "as it was at first");
}
