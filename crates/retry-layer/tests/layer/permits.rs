//! Nobody sits on a permit of the service below without a request under way.

use std::time::Duration;

use call_context::{BoxError, CallContext, Guard};
use http::Request;
use retry_layer::{Retry, RetryLayer};
use tokio::time::{Instant, timeout};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

/// One request at a time.
fn one_at_a_time(layer: &RetryLayer, script: &Script) -> Retry<ConcurrencyLimit<Script>> {
    layer.layer(ConcurrencyLimit::new(script.clone(), 1))
}

async fn is_free(service: &Retry<ConcurrencyLimit<Script>>) -> bool {
    let call = timeout(60 * SECOND, service.clone().oneshot(get()));
    call.await.is_ok_and(|outcome| outcome.is_ok())
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_gives_its_permit_back() {
    let late = |context: &mut CallContext| context.limit_deadline(Instant::now().into_std());
    let below_a_rate_layer = |context: &mut CallContext| {
        context.enter(Guard::Rate);
    };
    let spoilers: [fn(&mut CallContext); 2] = [late, below_a_rate_layer];
    for spoil in spoilers {
        let script = Script::new([status(200)]);
        let client = one_at_a_time(&prompt(), &script);
        let mut idle = client.clone();
        let mut request: Request<_> = get();
        spoil(CallContext::of(request.extensions_mut()));
        let ready: Result<_, BoxError> = idle.ready().await;
        let refused = ready.expect("the permit").call(request);
        assert!(is_free(&client).await, "before the refusal is heard");
        assert!(refused.await.is_err());
        assert_eq!(script.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_over_waits_for_no_permit() {
    let layer = prompt().deadline(5 * SECOND);
    let script = Script::slow([
        (SECOND, with_header(503, "retry-after", "1")),
        (9 * SECOND, status(200)),
        (SECOND, status(200)),
    ]);
    let client = one_at_a_time(&layer, &script);
    let mut busy = client.clone();
    let ready: Result<_, BoxError> = busy.ready().await;
    let mut call = Box::pin(ready.expect("the permit").call(get()));
    assert!(timeout(SECOND * 3 / 2, &mut call).await.is_err());
    // The other request holds the permit until its own deadline, and the replay waits for it.
    let other = tokio::spawn(client.clone().oneshot(get()));
    assert_eq!((&mut call).await.expect("the first response").status(), 503);
    assert!(other.await.expect("no panic").is_err());
    assert_eq!(script.calls(), 2);
    assert!(is_free(&client).await);
    drop(call);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_over_keeps_nothing_that_it_could_have_sent_again() {
    for (answer, deadline) in [(Duration::ZERO, None), (9 * SECOND, Some(SECOND))] {
        let layer = deadline.map_or_else(prompt, |deadline| prompt().deadline(deadline));
        let script = Script::slow([(answer, status(200))]);
        let (alive, service) = (script.alive(), layer.layer(script.clone()));
        let mut call = std::pin::pin!(service.oneshot(get()));
        assert_eq!(call.as_mut().await.is_ok(), deadline.is_none());
        assert_eq!(script.alive(), alive);
    }
}
