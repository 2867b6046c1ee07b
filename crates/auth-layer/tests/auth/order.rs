//! Where the halves stand, and how they treat what they wrap.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use auth_layer::{Auth, Grant, Reason, Slot, SourceError, source_fn};
use call_context::{BoxError, CallContext, Guard, NeverLeft, Refusal, Route, Routes};
use http::header::AUTHORIZATION;
use http::{Method, Request, Response, Uri};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{
    Client, SECOND, Server, Supply, after, chain, client, never, origin, refused, request, send,
    to, token,
};

/// What a client built of `layers` answers to one request.
pub(crate) async fn outcome<S>(client: S, request: Request<String>) -> Result<String, BoxError>
where
    S: Service<Request<String>, Response = Response<String>, Error = BoxError>,
{
    Ok(client.oneshot(request).await?.into_body())
}

pub(crate) fn echo() -> impl Service<
    Request<String>,
    Response = Response<String>,
    Error = Infallible,
    Future = Ready<Result<Response<String>, Infallible>>,
> + Clone {
    service_fn(|request: Request<String>| {
        let credential = request.headers().get(AUTHORIZATION);
        let credential = credential.map_or("", |value| value.to_str().expect("visible ASCII"));
        ready(Ok(Response::new(credential.to_owned())))
    })
}

#[tokio::test]
async fn either_half_applied_twice_is_refused() {
    let auth = Auth::single(Slot::key("business", "k1").origin(origin())).expect("a valid slot");
    let gates = auth.gate().layer(auth.layer().layer(echo()));
    let error = outcome(gates, request()).await.expect_err("two gates");
    assert_eq!(refused(&error).reason(), Reason::GatedTwice);
    assert_eq!(
        error.to_string(),
        "the request has passed a gate before; a stack needs one"
    );

    let attachers = auth.layer().layer(auth.attach().layer(echo()));
    let error = outcome(attachers, request())
        .await
        .expect_err("two attachers");
    assert_eq!(refused(&error).reason(), Reason::AttachedTwice);
    assert_eq!(
        error.to_string(),
        "the request has passed an attacher before; a stack needs one"
    );
}

#[tokio::test]
async fn a_gate_below_a_rate_layer_is_refused() {
    let supply = Supply::default();
    let (_, _, client) = client(supply.steady(SECOND, SECOND));
    for guard in [Guard::Place, Guard::Rate] {
        let mut limited = request();
        CallContext::of(limited.extensions_mut()).enter(guard);
        let error = client.clone().oneshot(limited).await.expect_err("below");
        assert_eq!(refused(&error).reason(), Reason::BelowRateLayer);
        assert_eq!(
            error.to_string(),
            "the request has already passed a rate layer; put the gate above it, or (when a request is forwarded from \
             another call) drop that call's `CallContext`"
        );
    }
    assert_eq!(supply.fetches(), 0);
}

#[tokio::test]
async fn both_halves_below_a_rate_layer_are_refused_also_where_nothing_has_to_wait() {
    let auth = Auth::single(Slot::key("business", "k1").origin(origin())).expect("a valid slot");
    for guard in [Guard::Place, Guard::Rate] {
        let mut limited = request();
        CallContext::of(limited.extensions_mut()).enter(guard);
        let client = auth.layer().layer(echo());
        let error = outcome(client, limited).await.expect_err("below");
        assert_eq!(refused(&error).reason(), Reason::BelowRateLayer);
    }
}

#[tokio::test]
async fn a_request_that_is_changed_between_the_halves_gets_no_other_credential() {
    let routes = Routes::new([
        Route::new(Method::GET, "/read", "read"),
        Route::new(Method::GET, "/execute", "execute"),
    ]);
    let auth = Auth::builder()
        .slot(Slot::key("business", "k1").origin(origin()))
        .slot(Slot::key("wallet", "k2").origin(origin()))
        .routes(Arc::new(routes.expect("a table")))
        .class("read", "business")
        .class("execute", "wallet")
        .build()
        .expect("a valid table");
    let attached = auth.attach().layer(echo());
    let rewriting = service_fn(move |mut request: Request<String>| {
        *request.uri_mut() = Uri::from_static("https://api.example.com/execute");
        attached.clone().oneshot(request)
    });
    let client = auth.gate().layer(rewriting);
    let read = to("https://api.example.com/read");
    let error = outcome(client, read).await.expect_err("changed");
    assert_eq!(refused(&error).reason(), Reason::SlotChanged);
    assert_eq!(
        error.to_string(),
        "credential slot `wallet`: the request was changed between gate and attacher and would take another credential"
    );
}

#[tokio::test(start_paused = true)]
async fn the_token_is_put_on_after_the_wait() {
    let supply = Supply::default();
    let slot = supply.steady(SECOND, SECOND * 100);
    let auth = Auth::single(slot).expect("a valid slot");
    let attached = auth.attach().layer(echo());
    let queued = service_fn(move |request: Request<String>| {
        let attached = attached.clone();
        async move {
            tokio::time::sleep(SECOND * 90).await;
            attached.oneshot(request).await
        }
    });
    let client = auth.gate().layer(queued);
    let first = tokio::spawn(outcome(client.clone(), request()));
    tokio::time::sleep(SECOND * 88).await;
    // Renewals start after 80 to 85 s each.
    let second = tokio::spawn(outcome(client.clone(), request()));
    assert_eq!(
        first.await.expect("no panic").expect("a token"),
        "Bearer t2"
    );
    assert_eq!(
        second.await.expect("no panic").expect("a token"),
        "Bearer t3"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_in_the_queue_and_cannot_be_renewed_is_not_sent() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| match n {
        1 => after(SECOND, Ok(token(n).lifetime(SECOND * 100))),
        _ => never(),
    });
    let auth = Auth::single(slot).expect("a valid slot");
    let attached = auth.attach().layer(echo());
    let queued = service_fn(move |request: Request<String>| {
        let attached = attached.clone();
        async move {
            tokio::time::sleep(SECOND * 98).await;
            attached.oneshot(request).await
        }
    });
    let error = outcome(auth.gate().layer(queued), request()).await;
    let error = error.expect_err("ended a second before its stated end");
    assert_eq!(refused(&error).reason(), Reason::NotUsable);
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Local));
    assert_eq!(
        error.to_string(),
        "credential slot `wallet`: the token ended while the request waited below the gate; send it again"
    );
}

#[tokio::test]
async fn an_attacher_without_a_gate_says_what_is_missing() {
    let supply = Supply::default();
    let auth = Auth::single(supply.steady(SECOND, SECOND)).expect("a valid slot");
    let error = outcome(auth.attach().layer(echo()), request()).await;
    let error = error.expect_err("no token");
    assert_eq!(refused(&error).reason(), Reason::NotUsable);
    assert_eq!(
        error.to_string(),
        "credential slot `wallet`: there is no usable token as the request departs, and no gate has waited for one; put a \
         gate above"
    );
    assert_eq!(supply.fetches(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_runs_into_its_own_gate_is_refused_although_the_token_is_usable() {
    let through = Arc::new(OnceLock::<Client>::new());
    let own = Arc::clone(&through);
    let refusals = Arc::new(OnceLock::new());
    let said = Arc::clone(&refusals);
    let source = source_fn(move |_| {
        let (own, said) = (Arc::clone(&own), Arc::clone(&said));
        async move {
            if let Some(client) = own.get() {
                let error = send(client).await.expect_err("through itself");
                let _ = said.set(refused(&error).reason());
            }
            Ok(token(1).expires_in(100))
        }
    });
    let (_, _, client) = client(Slot::token("wallet", source).origin(origin()));
    send(&client).await.expect("a fresh token");
    assert!(through.set(client.clone()).is_ok());
    tokio::time::advance(90 * SECOND).await;
    send(&client).await.expect("a token that is due");
    tokio::time::sleep(SECOND).await;
    assert_eq!(refusals.get(), Some(&Reason::OwnFetch));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_runs_into_its_own_gate_is_refused_and_does_not_wait_for_itself() {
    let own: Arc<OnceLock<Client>> = Arc::default();
    let stack = Arc::clone(&own);
    let source = source_fn(move |_| {
        let client = stack.get().expect("built").clone();
        async move {
            let token = send(&client).await.map_err(SourceError::temporary)?;
            Ok(Grant::new(token))
        }
    });
    let slot = Slot::token("wallet", source)
        .origin(origin())
        .backoff(SECOND * 40, SECOND * 40);
    let (_, _, client) = client(slot);
    assert!(own.set(client.clone()).is_ok());
    let error = send(&client).await.expect_err("through itself");
    assert_eq!(refused(&error).reason(), Reason::BackingOff);
    assert!(
        chain(&*error).ends_with(
            "credential slot `wallet`: the slot's source sends its request through the slot itself; give it a client \
             of its own, or one under another slot: the request never left"
        ),
        "{}",
        chain(&*error)
    );
}

#[tokio::test(start_paused = true)]
async fn a_circle_of_sources_that_nobody_declared_is_refused_where_it_closes() {
    let stack: Arc<OnceLock<Client>> = Arc::default();
    let slot = |name: &str, asks: &'static str| {
        let stack = Arc::clone(&stack);
        let source = source_fn(move |_| {
            let client = stack.get().expect("built").clone();
            async move {
                let answer = client.oneshot(to(asks)).await;
                let token = answer.map_err(SourceError::temporary)?.into_body();
                Ok(Grant::new(token))
            }
        });
        let slot = Slot::token(name, source).origin(origin());
        slot.backoff(SECOND * 40, SECOND * 40)
    };
    let routes = Routes::new([
        Route::new(Method::GET, "/a", "a"),
        Route::new(Method::GET, "/b", "b"),
    ]);
    let auth = Auth::builder()
        .slot(slot("first", "https://api.example.com/b"))
        .slot(slot("second", "https://api.example.com/a"))
        .routes(Arc::new(routes.expect("a table")))
        .class("a", "first")
        .class("b", "second")
        .build()
        .expect("a valid table");
    let client = Server::default().behind(auth.layer());
    assert!(stack.set(client.clone()).is_ok());
    let start = Instant::now();
    let error = send(&client).await.expect_err("a circle");
    assert_eq!(start.elapsed(), Duration::ZERO);
    let text = chain(&*error);
    assert!(
        text.contains(
            "credential slot `first`: the slot's source sends its request through the slot itself"
        ),
        "{text}"
    );
}

/// Panics when it is called without having been polled ready, as tower allows.
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl Service<Request<String>> for Strict {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        assert!(self.ready, "called without readiness");
        self.ready = false;
        ready(Ok(Response::new(String::new())))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_called_has_been_polled_ready() {
    let supply = Supply::default();
    let auth = Auth::single(supply.steady(SECOND, SECOND * 3600)).expect("a valid slot");
    let mut client = auth.layer().layer(Strict { ready: false });
    for _ in 0..3 {
        let client = client.ready().await.expect("ready");
        client.call(request()).await.expect("an answer");
    }
    assert_eq!(
        supply.fetches(),
        1,
        "the first one waited, the others did not"
    );
}

#[tokio::test]
async fn a_service_that_fails_to_become_ready_sent_nothing() {
    #[derive(Clone)]
    struct Broken;
    impl Service<Request<String>> for Broken {
        type Response = Response<String>;
        type Error = BoxError;
        type Future = Ready<Result<Response<String>, BoxError>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Err("closed".into()))
        }
        fn call(&mut self, _: Request<String>) -> Self::Future {
            ready(Err("called".into()))
        }
    }
    let auth = Auth::single(Slot::key("business", "k1").origin(origin())).expect("a valid slot");
    let error = auth.layer().layer(Broken).oneshot(request()).await;
    let error = error.expect_err("not ready");
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Transient));
    assert_eq!(chain(&*error), "the request never left: closed");
}

#[tokio::test(start_paused = true)]
async fn the_layers_wrap_a_service_that_borrows_and_is_bound_to_its_thread() {
    let supply = Supply::default();
    let auth = Auth::single(supply.steady(SECOND, SECOND * 3600)).expect("a valid slot");
    let calls = Cell::new(0);
    let borrowing = service_fn(|_: Request<&str>| {
        calls.set(calls.get() + 1);
        ready(Ok::<_, Infallible>(Response::new(&calls)))
    });
    for expected in [1, 2] {
        let body = String::from("borrowed too");
        let client = auth.layer().layer(borrowing);
        let request = Request::get("https://api.example.com/a").body(&*body);
        let response = client.oneshot(request.expect("a request")).await;
        assert_eq!(response.expect("an answer").body().get(), expected);
    }
}
