//! What a decision costs, and what a layer adds to a service that does nothing.
//!
//! `cargo bench -p benches --bench limiter`. The absolute times are the machine's; what compares is the ratio of two
//! functions of one group in one run. Both limiters read the same clock, `std::time::Instant`.
//!
//! | group | what is measured |
//! | --- | --- |
//! | `admit` | a place is taken, where there is always one |
//! | `reject` | there is none, and the limiter says when |
//! | `layer` | a request passes through the layer to a service that answers at once |

use std::convert::Infallible;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use call_context::CallContext;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use governor::RateLimiter;
use governor::clock::MonotonicClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use http::{Request, Response};
use rate_layer::{MINUTE, Quota, RateLayer, Window};
use tokio::runtime::Runtime;
use tower::buffer::Buffer;
use tower::limit::RateLimit;
use tower::limit::rate::Rate;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

type Governor =
    RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<std::time::Instant>>;

/// More than anybody asks for.
const PLENTY: NonZeroU32 = NonZeroU32::MAX;

fn governor(quota: governor::Quota) -> Governor {
    RateLimiter::direct_with_clock(quota, MonotonicClock)
}

fn admit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("admit");
    let window = Window::new(Quota::rolling(PLENTY.get(), MINUTE));
    group.bench_function("tollgate", |bencher| {
        // What becomes of the place is another matter: it is given back after the measurement.
        bencher
            .iter_with_large_drop(|| window.try_admit(NonZeroU32::MIN).expect("there is a place"));
    });
    let limiter = governor(governor::Quota::per_second(PLENTY));
    group.bench_function("governor", |bencher| {
        bencher.iter(|| limiter.check().expect("there is a place"));
    });
    group.finish();
}

fn reject(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reject");
    let window = Window::new(Quota::rolling(100, MINUTE));
    let all = NonZeroU32::new(100).expect("not zero");
    for _ in 0..100 {
        let place = window.try_admit(NonZeroU32::MIN).expect("a place");
        place.answered();
    }
    group.bench_function("tollgate", |bencher| {
        bencher.iter(|| {
            window
                .try_admit(NonZeroU32::MIN)
                .expect_err("there is no place")
        });
    });
    let limiter = governor(
        governor::Quota::with_period(36 * MINUTE)
            .expect("not zero")
            .allow_burst(all),
    );
    limiter
        .check_n(all)
        .expect("the burst fits")
        .expect("the whole burst");
    group.bench_function("governor", |bencher| {
        bencher.iter(|| limiter.check().expect_err("there is no place"));
    });
    group.finish();
}

/// A request as the outermost layer of a stack leaves it.
fn request() -> Request<()> {
    let mut request = Request::new(());
    CallContext::of(request.extensions_mut());
    request
}

async fn answer(_: Request<()>) -> Result<Response<()>, Infallible> {
    Ok(Response::new(()))
}

fn layer(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    // A window so short that places free as fast as they are used, some dozens at a time.
    let quota = Quota::rolling(10_000, Duration::from_micros(5)).margin(Duration::ZERO);
    pass(
        criterion,
        &runtime,
        "tollgate",
        RateLayer::new(quota).layer(service_fn(answer)),
    );

    let limiter = Arc::new(governor(governor::Quota::per_second(PLENTY)));
    let governed = service_fn(move |request: Request<()>| {
        let limiter = Arc::clone(&limiter);
        async move {
            limiter.until_ready().await;
            answer(request).await
        }
    });
    pass(criterion, &runtime, "governor", governed);

    let buffered = {
        let _context = runtime.enter();
        let rate = Rate::new(u64::from(PLENTY.get()), Duration::from_secs(1));
        Buffer::new(RateLimit::new(service_fn(answer), rate), 1024)
    };
    pass(criterion, &runtime, "tower_buffer_rate_limit", buffered);
}

/// Measures one request's way through `service`.
fn pass<S>(criterion: &mut Criterion, runtime: &Runtime, name: &str, service: S)
where
    S: Service<Request<()>, Response = Response<()>> + Clone,
    S::Error: Into<BoxError>,
{
    let mut group = criterion.benchmark_group("layer");
    group.bench_function(name, |bencher| {
        bencher.to_async(runtime).iter_batched(
            || (service.clone(), request()),
            |(service, request)| async move {
                let outcome = service.oneshot(request).await;
                black_box(outcome.map_err(Into::into).expect("an answer"))
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(limiter, admit, reject, layer);
criterion_main!(limiter);
