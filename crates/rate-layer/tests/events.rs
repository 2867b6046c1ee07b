//! What the layer says in the log, and what it never says.
#![cfg(not(loom))]

mod support;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use call_context::BoxError;
use http::header::RETRY_AFTER;
use http::{HeaderName, Request, Response};
use rate_layer::{
    Dialect, Keyed, MINUTE, Quota, RateLayer, ResponseHead, SECOND, Start, Stated, Statements,
    Window, key,
};
use support::MS;
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// What this test logs, from the finest level on.
    fn of_this_thread() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .without_time()
            .with_writer(log.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (log, guard)
    }

    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().expect("no test panics with it").clone();
        let text = String::from_utf8(bytes).expect("text");
        assert!(!text.contains("canary"), "{text}");
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().expect("no test panics with it");
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

const ACCOUNT: HeaderName = HeaderName::from_static("x-account");

/// A request that is full of what must not be printed.
fn canary() -> Request<()> {
    Request::get("https://canary.example.com/canary?canary")
        .header("authorization", "canary")
        .header(ACCOUNT, "canary")
        .body(())
        .expect("a request")
}

fn keyed(quota: Quota) -> RateLayer {
    RateLayer::new(Keyed::new(quota, key::header(ACCOUNT)))
}

/// Sends one request, whose response has `status` and `headers`.
async fn send(
    layer: &RateLayer,
    status: u16,
    headers: &[(HeaderName, &'static str)],
) -> Result<(), BoxError> {
    let mut response = Response::builder()
        .status(status)
        .header("set-cookie", "canary");
    for (name, value) in headers {
        response = response.header(name, *value);
    }
    let response = response.body(()).expect("a response");
    let service = service_fn(move |_: Request<()>| {
        let response = response.clone();
        async { Ok::<_, BoxError>(response) }
    });
    layer.layer(service).oneshot(canary()).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn what_passes_at_once_says_nothing() {
    let (log, _guard) = Log::of_this_thread();
    send(&keyed(Quota::rolling(1, SECOND)), 200, &[])
        .await
        .expect("served");
    assert_eq!(log.lines(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_has_a_span_with_its_beginning_and_its_end() {
    let (log, _guard) = Log::of_this_thread();
    let layer = keyed(Quota::rolling(1, SECOND)).max_wait(MINUTE);
    send(&layer, 200, &[]).await.expect("served");
    sleep(10 * MS).await;
    send(&layer, 200, &[]).await.expect("served");
    let span = "rate_limit_wait{at_most=60s}: rate_layer::turn:";
    let expected = [
        format!("DEBUG {span} a request waits for a place"),
        format!("DEBUG {span} a request gets its place waited=1s"),
    ];
    assert_eq!(log.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_its_kind_and_when_to_come_again() {
    let (log, _guard) = Log::of_this_thread();
    let layer = keyed(Quota::rolling(1, SECOND));
    send(&layer, 200, &[]).await.expect("served");
    send(&layer.clone().refuse(), 200, &[])
        .await
        .expect_err("refused");
    send(&layer.clone().max_wait(MS), 200, &[])
        .await
        .expect_err("refused");
    send(&layer.clone().queue(0), 200, &[])
        .await
        .expect_err("refused");
    send(&layer.cost(|_| 5), 200, &[])
        .await
        .expect_err("refused");
    send(&RateLayer::by_slot(), 200, &[])
        .await
        .expect_err("refused");
    let said = |kind, retry_in| {
        format!(
            "DEBUG rate_layer::prepare: a request gets no place kind={kind} retry_in={retry_in}"
        )
    };
    let expected = [
        said("WouldWait", "Some(1.01s)"),
        said("Deadline", "Some(1.01s)"),
        said("QueueFull", "Some(1.01s)"),
        said("CostTooHigh", "None"),
        said("NoWindow", "None"),
    ];
    assert_eq!(log.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_server_asks_for_is_a_warning() {
    let (log, _guard) = Log::of_this_thread();
    let layer = keyed(Quota::rolling(5, SECOND)).longest_pause(30 * SECOND);
    send(&layer, 429, &[(RETRY_AFTER, "42")])
        .await
        .expect("an answer");
    let expected =
        "WARN rate_layer::response: the server says that the limit is exceeded pause=Some(30s)";
    assert_eq!(log.lines(), [expected]);
}

/// `x-limit: 7` says that the limit is 7.
struct Stating;

impl Dialect for Stating {
    fn read(&self, head: &ResponseHead<'_>, into: &mut Statements) {
        let limit = head
            .headers()
            .get("x-limit")
            .and_then(|limit| limit.to_str().ok());
        if let Some(limit) = limit.and_then(|limit| limit.parse().ok()) {
            into.push(Stated::new().limit(limit));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_adopted_limit_is_told_once() {
    let (log, _guard) = Log::of_this_thread();
    let layer = keyed(Quota::rolling(5, SECOND).adopt_up_to(10)).listen(Stating);
    for _ in 0..2 {
        let limit = HeaderName::from_static("x-limit");
        send(&layer, 200, &[(limit, "7")]).await.expect("served");
    }
    let expected =
        "INFO rate_layer::book::waiter: adopts the limit that the server states limit=7 before=5";
    assert_eq!(log.lines(), [expected]);
}

#[tokio::test(start_paused = true)]
async fn a_seed_that_does_not_come_is_a_warning() {
    let (log, _guard) = Log::of_this_thread();
    let layer = keyed(Quota::rolling(5, SECOND).start(Start::Seeded)).listen(Stating);
    send(&layer, 200, &[]).await.expect("served");
    let lines = log.lines();
    assert!(
        lines[0].starts_with("WARN rate_layer::book::waiter: a response was to say"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_abandoned_says_so_once_however_it_came_to_that() {
    let hangs = service_fn(|_: Request<()>| async {
        sleep(600 * SECOND).await;
        Ok::<_, BoxError>(Response::new(()))
    });
    let fails =
        service_fn(|_: Request<()>| async { Err::<Response<()>, BoxError>("canary".into()) });
    let expected = "DEBUG rate_layer::tenure: a request has departed and brings no headers: its place stays taken for the grace";
    let layer = keyed(Quota::rolling(5, SECOND)).answer_within(SECOND);
    {
        let (log, _guard) = Log::of_this_thread();
        layer
            .layer(fails)
            .oneshot(canary())
            .await
            .expect_err("failed");
        assert_eq!(log.lines(), [expected]);
    }
    {
        let (log, _guard) = Log::of_this_thread();
        layer
            .layer(hangs)
            .oneshot(canary())
            .await
            .expect_err("hung");
        assert_eq!(log.lines(), [expected]);
    }
    let (log, _guard) = Log::of_this_thread();
    layer
        .detach()
        .layer(hangs)
        .oneshot(canary())
        .await
        .expect_err("hung");
    assert_eq!(log.lines(), [expected]);
}

/// `x-stated: 7/60` says that the limit is 7 in a minute.
struct InWindows;

impl Dialect for InWindows {
    fn read(&self, head: &ResponseHead<'_>, into: &mut Statements) {
        let stated = head.headers().get("x-stated");
        let stated = stated.and_then(|stated| stated.to_str().ok());
        for one in stated.into_iter().flat_map(|all| all.split(", ")) {
            if let Some((limit, window)) = one.split_once('/') {
                let [limit, window] = [limit, window].map(|number| number.parse().expect("one"));
                into.push(
                    Stated::new()
                        .limit(limit)
                        .window(Duration::from_secs(window)),
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_is_about_none_of_the_windows_is_told_once_and_counted() {
    let (log, _guard) = Log::of_this_thread();
    let quotas = Quota::rolling(50, SECOND).and(Quota::rolling(50, MINUTE));
    let window = Window::new(quotas);
    let layer = RateLayer::new(window.clone()).listen(InWindows);
    let stated = HeaderName::from_static("x-stated");
    for said in [
        "50/1, 1000/3600",
        "1000/3600",
        "50/60",
        "2000/3600, 9/10",
        "1000/3600",
    ] {
        send(&layer, 200, &[(stated.clone(), said)])
            .await
            .expect("served");
    }
    let expected = [(1_000, 3_600), (2_000, 3_600), (9, 10)].map(|(limit, window)| {
        format!(
            "WARN rate_layer::book::waiter: the server states a limit that is about none of the windows, and it is not heeded: \
             hold requests to it as well, or say what it is about, as `XRateLimit::window` does limit=Some({limit}) \
             window=Some({window}s)"
        )
    });
    assert_eq!(log.lines(), expected);
    assert_eq!(window.snapshot().counts.unheard, 5);
}

#[tokio::test(start_paused = true)]
async fn what_no_rule_reads_is_not_counted_as_unheard() {
    let (log, _guard) = Log::of_this_thread();
    let window = Window::new(Quota::rolling(50, SECOND));
    let layer = RateLayer::new(window.clone());
    let stated = HeaderName::from_static("x-stated");
    send(&layer, 200, &[(stated, "7/60")])
        .await
        .expect("served");
    assert_eq!(
        (log.lines().len(), window.snapshot().counts.unheard),
        (0, 0)
    );
}
