//! Which outcome is returned, and that it is whole.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use call_context::{CallContext, Guard, NeverLeft, Refusal, Remarked};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, StreamBody};
use retry_layer::{RetryBody, RetryError, RetryLayer, Stop};
use tokio::time::{Instant, Sleep, sleep};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_last_departed_attempt_is_returned() {
    let script = Script::new([
        response(503, "first"),
        response(502, "second"),
        response(500, "third"),
    ]);
    let outcome = run(&prompt(), &script, get()).await.expect("a response");
    assert_eq!(outcome.status(), 500);
    assert_eq!(text(outcome).await, "third");
}

#[tokio::test(start_paused = true)]
async fn a_replay_refused_below_leaves_the_earlier_response_whole() {
    for refusal in [Refusal::Local, Refusal::Permanent, Refusal::Transient] {
        let layer = prompt().attempts(2);
        let first = with_header(503, "retry-after", "1");
        let script = Script::new([first, never_left(refusal)]);
        let outcome = run(&layer, &script, get()).await.expect("a response");
        assert_eq!(script.calls(), 2);
        assert_eq!(outcome.status(), 503);
        assert_eq!(outcome.headers()["retry-after"], "1");
        assert_eq!(outcome.body().size_hint().exact(), Some(18));
        assert_eq!(text(outcome).await, "said by the server");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_departed_is_not_hidden_by_one_that_did_not() {
    // A caller who found the mark would think that nothing had ever left.
    let layer = prompt().attempts(2);
    let script = Script::new([broken(), never_left(Refusal::Transient)]);
    let error = run(&layer, &script, get()).await.expect_err("an error");
    assert_eq!(NeverLeft::find(&*error), None);
    assert!(call_context::find::<std::io::Error>(&*error).is_some());
}

#[tokio::test(start_paused = true)]
async fn of_attempts_that_all_stayed_here_the_last_one_says_why() {
    // A token that was not there yet, and then could not be had at all: the caller must learn of the latter.
    let script = Script::new([
        never_left(Refusal::Local),
        Err(NeverLeft::wrap(Refusal::Permanent, "log in again").into()),
    ]);
    let error = run(&prompt(), &script, post()).await.expect_err("an error");
    assert_eq!(script.calls(), 2);
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));

    // What departed in between stands nevertheless.
    let script = Script::new([
        never_left(Refusal::Transient),
        broken(),
        never_left(Refusal::Transient),
    ]);
    let error = run(&prompt(), &script, get()).await.expect_err("an error");
    assert_eq!(script.calls(), 3);
    assert_eq!(NeverLeft::find(&*error), None);
}

#[tokio::test(start_paused = true)]
async fn after_a_refused_replay_another_one_may_follow() {
    let script = Script::new([status(503), never_left(Refusal::Local), status(200)]);
    let outcome = run(&prompt(), &script, get()).await.expect("a response");
    assert_eq!(outcome.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn failing_readiness_never_replaces_the_outcome() {
    let layer = prompt();
    let script = Script::new([response(503, "whole")]);
    script.break_readiness_after(1, "closed");
    let outcome = run(&layer, &script, get()).await.expect("a response");
    assert_eq!(text(outcome).await, "whole");
    assert_eq!(layer.counters().stopped(Stop::Refused), 1);
    assert_eq!(layer.counters().retries(), 0);
}

#[tokio::test(start_paused = true)]
async fn readiness_that_never_comes_ends_at_the_deadline_with_the_outcome() {
    let layer = prompt().deadline(4 * SECOND);
    let script = Script::new([response(503, "whole")]);
    script.hang_readiness_after(1);
    let start = Instant::now();
    let outcome = run(&layer, &script, get()).await.expect("a response");
    assert_eq!(text(outcome).await, "whole");
    assert_eq!(start.elapsed(), 4 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn failing_readiness_before_the_first_attempt_never_left() {
    let script = Script::new([]);
    script.break_readiness_after(0, "closed");
    let error = run(&prompt(), &script, get()).await.expect_err("an error");
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Transient));

    // What is known already is not overwritten.
    let script = Script::new([]);
    script.break_readiness_after(0, NeverLeft::new(Refusal::Permanent));
    let error = run(&prompt(), &script, get()).await.expect_err("an error");
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_inner_service_is_inside_as_it_was() {
    let script = Script::new([broken()]);
    let error = run(&prompt(), &script, post()).await.expect_err("an error");
    assert!(call_context::find::<RetryError>(&*error).is_some());
    let error = error.downcast::<Remarked>().expect("a remark");
    let inner = error.into_error().downcast::<std::io::Error>();
    let inner = inner.expect("the same error");
    assert_eq!(inner.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_call_that_only_passes_through_is_returned_as_it_is() {
    let mut watched = get();
    CallContext::of(watched.extensions_mut()).enter(Guard::Retry);
    for (layer, request) in [(prompt(), watched), (prompt().attempts(1), get())] {
        let script = Script::new([broken()]);
        let error = run(&layer, &script, request).await.expect_err("an error");
        assert!(error.is::<std::io::Error>());
    }
}

/// A body that gives its frames one by one, each after a second, and its length beforehand.
struct Slow {
    frames: VecDeque<Result<Frame<Bytes>, &'static str>>,
    length: Option<u64>,
    sleep: Pin<Box<Sleep>>,
}

impl Slow {
    fn new(
        frames: impl IntoIterator<Item = Result<Frame<Bytes>, &'static str>>,
        length: Option<u64>,
    ) -> Self {
        Self {
            frames: frames.into_iter().collect(),
            length,
            sleep: Box::pin(sleep(SECOND)),
        }
    }
}

impl Body for Slow {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        std::task::ready!(self.sleep.as_mut().poll(cx));
        self.sleep.as_mut().reset(Instant::now() + SECOND);
        let frame = self.frames.pop_front();
        if let (Some(Ok(frame)), Some(length)) = (&frame, &mut self.length) {
            *length -= frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn data(byte: u8, length: usize) -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(vec![byte; length].into()))
}

/// A 503 with this body, `Retry-After`, and a replay that is refused.
async fn refused_after(body: Slow, retry_after: &'static str) -> Response<RetryBody<Slow>> {
    refused_after_with(&prompt(), body, retry_after).await
}

async fn refused_after_with(
    layer: &RetryLayer,
    body: Slow,
    retry_after: &'static str,
) -> Response<RetryBody<Slow>> {
    let body = Arc::new(Mutex::new(Some(body)));
    let service = service_fn(move |_: Request<Full<Bytes>>| {
        let body = body.lock().expect("no panic").take();
        async move {
            let Some(body) = body else {
                return Err(NeverLeft::new(Refusal::Permanent));
            };
            let response = Response::builder().status(503);
            let response = response.header("retry-after", retry_after);
            Ok(response.body(body).expect("a response"))
        }
    });
    let service = layer.layer(service);
    service.oneshot(get()).await.expect("a response")
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_read_ahead_in_part_is_byte_exact_with_its_length_and_trailers() {
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-sum"),
        http::HeaderValue::from_static("9"),
    )]);
    for retry_after in ["0", "1", "2", "3", "4", "9"] {
        let frames = [
            data(b'a', 3),
            data(b'b', 3),
            data(b'c', 3),
            Ok(Frame::trailers(trailers.clone())),
        ];
        let response = refused_after(Slow::new(frames, Some(9)), retry_after).await;
        assert_eq!(response.body().size_hint().exact(), Some(9));
        assert!(!response.body().is_end_stream());
        let body = response.into_body().collect().await.expect("a body");
        assert_eq!(body.trailers(), Some(&trailers));
        assert_eq!(body.to_bytes(), "aaabbbccc");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_was_read_ahead_comes_where_it_belongs() {
    let frames = [data(b'a', 3), Err("cut off")];
    let mut body = refused_after(Slow::new(frames, None), "9")
        .await
        .into_body();
    let mut body = Box::pin(&mut body);
    let frame = body.frame().await.expect("a frame").expect("data");
    assert_eq!(frame.into_data().expect("data"), "aaa");
    assert_eq!(body.frame().await.expect("a frame").err(), Some("cut off"));
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn no_more_is_read_ahead_than_the_bound() {
    let frames = (0..40).map(|_| data(b'a', 16 * 1024));
    let start = Instant::now();
    let response = refused_after(Slow::new(frames, None), "30").await;
    assert_eq!(start.elapsed(), 30 * SECOND);
    // Four frames are at hand, and the fifth is due long since; 35 others, and the end, take their second each.
    let body = response.into_body().collect().await.expect("a body");
    assert_eq!(body.to_bytes().len(), 40 * 16 * 1024);
    assert_eq!(start.elapsed(), (30 + 35 + 1) * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_replay_waits_for_a_slow_body_a_tenth_of_a_second_at_most() {
    let frames = [data(b'a', 3)];
    let start = Instant::now();
    let response = refused_after(Slow::new(frames, Some(3)), "0").await;
    assert_eq!(start.elapsed(), SECOND / 10);
    let body = response.into_body().collect().await.expect("a body");
    assert_eq!(body.to_bytes(), "aaa");
}

#[tokio::test(start_paused = true)]
async fn a_replay_does_not_wait_for_a_body_beyond_the_deadline() {
    let layer = prompt().deadline(SECOND / 10);
    let frames = [data(b'a', 3)];
    let start = Instant::now();
    let body = Slow::new(frames, Some(3));
    let response = refused_after_with(&layer, body, "0").await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(layer.counters().retries(), 1);
    let body = response.into_body().collect().await.expect("a body");
    assert_eq!(body.to_bytes(), "aaa");
}

#[tokio::test(start_paused = true)]
async fn readiness_that_comes_too_late_is_not_used() {
    let layer = prompt().deadline(2 * SECOND);
    let script = Script::new([response(503, "whole")]);
    // Whoever polls at the very moment of the deadline finds the service ready.
    script.ready_again_at(Instant::now() + 2 * SECOND);
    let outcome = run(&layer, &script, get()).await.expect("a response");
    assert_eq!(text(outcome).await, "whole");
    assert_eq!(script.calls(), 1);
    assert_eq!(layer.counters().stopped(Stop::Deadline), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_longer_than_the_bound_is_not_waited_for() {
    let frames = [data(b'a', 100_000)];
    let start = Instant::now();
    let response = refused_after(Slow::new(frames, Some(100_000)), "0").await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(response.body().size_hint().exact(), Some(100_000));
}

#[tokio::test(start_paused = true)]
async fn an_endless_body_of_tiny_frames_is_read_ahead_in_part() {
    for piece in ["", "x"] {
        let read = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&read);
        let frames = futures_util::stream::repeat_with(move || {
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(piece.as_bytes())))
        });
        let body = Arc::new(Mutex::new(Some(StreamBody::new(frames))));
        let service = service_fn(move |_: Request<Full<Bytes>>| {
            let body = body.lock().expect("no panic").take();
            let response = Response::builder().status(503);
            let refused = || NeverLeft::new(Refusal::Permanent);
            let response = body.map(|body| response.body(body).expect("a response"));
            ready(response.ok_or_else(refused))
        });
        let response = prompt().layer(service).oneshot(get()).await;
        let mut response = response.expect("the first response");
        assert_eq!(read.load(Ordering::Relaxed), 1024);
        // And goes on behind what was read.
        for _ in 0..2000 {
            let frame = response.body_mut().frame().await.expect("a frame");
            let data = frame.expect("infallible").into_data().expect("data");
            assert_eq!(data, piece);
        }
        assert_eq!(read.load(Ordering::Relaxed), 2000);
    }
}
