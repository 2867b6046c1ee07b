//! Attempts that read one body at the same time.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::FutureExt;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use retry_layer::{BodyLost, Replay, ReplayBody};

use super::source::{Beat, Bell, Source};

type Meanwhile = Box<dyn FnOnce() + Send>;

/// A body that lets something happen while it is read, as on another thread, and then gives a frame or nothing yet.
struct Meddled(VecDeque<(Meanwhile, Option<&'static str>)>);

impl Meddled {
    fn new(
        frames: impl IntoIterator<Item = (Meanwhile, Option<&'static str>)>,
    ) -> ReplayBody<Self> {
        ReplayBody::with_bound(Self(frames.into_iter().collect()), 3)
    }
}

impl Body for Meddled {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let Some((meanwhile, text)) = self.0.pop_front() else {
            return Poll::Ready(None);
        };
        meanwhile();
        text.map_or(Poll::Pending, |text| {
            Poll::Ready(Some(Ok(Frame::data(text.into()))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

type Slot = Arc<Mutex<Option<ReplayBody<Meddled>>>>;

fn at_last<T>(slot: &Mutex<Option<T>>) -> T {
    slot.lock().expect("no panic").take().expect("put there")
}

fn text(body: &mut ReplayBody<Meddled>) -> Option<Bytes> {
    let frame = body.frame().now_or_never().flatten()?;
    frame.expect("a frame").into_data().ok()
}

#[test]
fn a_frame_beyond_the_bound_that_an_earlier_one_just_read_goes_to_the_later_one() {
    let slot = Slot::default();
    let other = Arc::clone(&slot);
    let taken_over: Meanwhile = Box::new(move || {
        assert!(
            other
                .lock()
                .expect("no panic")
                .as_ref()
                .is_some_and(Replay::take_over)
        );
    });
    let nothing = || -> Meanwhile { Box::new(|| ()) };
    let frames = [
        (nothing(), Some("ab")),
        (taken_over, Some("cd")),
        (nothing(), Some("ef")),
    ];
    let mut first = Meddled::new(frames);
    *slot.lock().expect("no panic") = first.replay();
    assert_eq!(text(&mut first).as_deref(), Some(&b"ab"[..]));
    assert!(first.frame().now_or_never().is_none());
    assert!(!first.is_end_stream());
    let mut second = at_last(&slot);
    assert!(second.is_whole());
    for piece in ["ab", "cd", "ef"] {
        assert_eq!(text(&mut second).expect("a frame"), piece);
    }
    let error = first.frame().now_or_never().flatten().expect("a frame");
    assert!(error.expect_err("lost").is::<BodyLost>());
}

#[test]
fn the_last_frame_beyond_the_bound_leaves_no_body_that_looks_whole_without_it() {
    let slot = Slot::default();
    let other = Arc::clone(&slot);
    let taken_over: Meanwhile = Box::new(move || {
        let second = other.lock().expect("no panic");
        assert!(second.as_ref().is_some_and(Replay::take_over));
    });
    let frames = [
        (Box::new(|| ()) as Meanwhile, Some("ab")),
        (taken_over, Some("cd")),
    ];
    let mut first = Meddled::new(frames);
    *slot.lock().expect("no panic") = first.replay();
    assert_eq!(text(&mut first).as_deref(), Some(&b"ab"[..]));
    // The body has ended, and its last frame waits for the later one.
    for _ in 0..2 {
        assert!(first.frame().now_or_never().is_none());
        assert!(!first.is_end_stream());
    }
    let mut second = at_last(&slot);
    for piece in ["ab", "cd"] {
        assert!(!second.is_end_stream());
        assert_eq!(text(&mut second).expect("a frame"), piece);
    }
    assert!(second.is_end_stream());
    assert!(second.frame().now_or_never().expect("the end").is_none());
    let error = first.frame().now_or_never().flatten().expect("a frame");
    assert!(error.expect_err("lost").is::<BodyLost>());
}

#[test]
fn a_later_one_that_came_and_went_while_an_earlier_one_read_leaves_it_its_frame() {
    let slot = Slot::default();
    let other = Arc::clone(&slot);
    let came_and_went: Meanwhile = Box::new(move || {
        assert!(at_last(&other).take_over());
    });
    let mut first = Meddled::new([(came_and_went, Some("beyond the bound"))]);
    *slot.lock().expect("no panic") = first.replay();
    assert_eq!(text(&mut first).expect("a frame"), "beyond the bound");
}

#[test]
fn a_later_one_that_is_polled_while_an_earlier_one_reads_waits_and_is_woken() {
    for found in [Some("ab"), None] {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let slot = Slot::default();
        let other = Arc::clone(&slot);
        let polled: Meanwhile = Box::new(move || {
            let mut second = at_last(&other);
            let read = Pin::new(&mut second).poll_frame(&mut Context::from_waker(&waker));
            assert!(read.is_pending());
            *other.lock().expect("no panic") = Some(second);
        });
        let mut first = Meddled::new([(polled, found), (Box::new(|| ()), Some("cd"))]);
        *slot.lock().expect("no panic") = first.replay();
        assert_eq!(text(&mut first).as_deref(), found.map(str::as_bytes));
        assert_eq!(bell.rung(), 1);
        let expected = found.unwrap_or("cd");
        assert_eq!(text(&mut at_last(&slot)).expect("a frame"), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn attempts_on_several_threads_lose_nothing_to_each_other() {
    for round in 0..200_usize {
        let pieces = (0..64_u8).map(|i| Beat::Data(vec![i; usize::from(i) % 7].into()));
        let beats = pieces.flat_map(|piece| [Beat::Wait, piece]);
        let expected: Bytes = beats
            .clone()
            .fold(Vec::new(), |mut all, beat| {
                if let Beat::Data(data) = beat {
                    all.extend_from_slice(&data);
                }
                all
            })
            .into();
        // In every other round the bound is passed on the way, and only the last one has to come through.
        let fits = round % 2 == 0;
        let bound = if fits {
            expected.len()
        } else {
            expected.len() - 1 - round % 90
        };
        let first = ReplayBody::with_bound(Source::new(beats), bound);
        let second = first.replay().expect("a second body");
        let third = second.replay().expect("a third body");
        let barrier = Arc::new(tokio::sync::Barrier::new(2));
        let other = Arc::clone(&barrier);
        let earlier = tokio::spawn(async move {
            other.wait().await;
            first.collect().await.map(|body| body.to_bytes())
        });
        barrier.wait().await;
        if !second.take_over() {
            assert!(!fits);
            assert_eq!(earlier.await.expect("no panic").expect("whole"), expected);
            continue;
        }
        drop(third);
        let later = second.collect().await.expect("the later one is whole");
        assert_eq!(later.to_bytes(), expected);
        match earlier.await.expect("no panic") {
            Ok(body) => assert_eq!(body, expected),
            Err(error) => assert!(!fits && error.is::<BodyLost>(), "{error}"),
        }
    }
}
