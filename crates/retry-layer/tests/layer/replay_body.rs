//! Streaming bodies that can be sent again: any frames, any attempts, any bound.

mod concurrent;
mod model;
mod source;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::FutureExt;
use http_body::Body;
use http_body_util::{BodyExt, Either, Full};
use retry_layer::{Replay, ReplayBody};

use self::source::{Beat, Bell, Source, assert_lost, data, next, poll, read, sum};

#[tokio::test]
async fn a_body_that_was_never_polled_is_replayed_once() {
    let beats = [data("an "), data("order"), Beat::Trailers(sum())];
    let first = ReplayBody::new(Source::new(beats).with_length());
    let second = first.replay().expect("a second body");
    let third = second.replay().expect("a third body");
    drop(first);
    assert!(second.is_whole() && second.take_over());
    assert_eq!(second.size_hint().exact(), Some(8));
    assert_eq!(read(second).await, ("an order".into(), Some(sum())));
    assert_eq!(third.size_hint().exact(), Some(8));
    assert_eq!(read(third).await, ("an order".into(), Some(sum())));
}

#[tokio::test]
async fn a_body_that_was_dropped_halfway_is_replayed_from_its_first_byte() {
    let beats = [
        data("an "),
        Beat::Wait,
        data("order"),
        Beat::Trailers(sum()),
    ];
    for polls in 0..6 {
        let mut first = ReplayBody::new(Source::new(beats.clone()).with_length());
        let second = first.replay().expect("a second body");
        for _ in 0..polls {
            let _ = poll(&mut first);
        }
        drop(first);
        assert_eq!(second.size_hint().exact(), Some(8));
        assert!(!second.is_end_stream());
        assert_eq!(read(second).await, ("an order".into(), Some(sum())));
    }
}

#[test]
fn the_later_one_reads_on_and_the_earlier_one_gets_the_same() {
    let mut first = ReplayBody::new(Source::new(["a", "b", "c"].map(data)));
    let mut second = first.replay().expect("a second body");
    assert_eq!(next(&mut first), "a");
    assert!(second.take_over());
    assert!(!first.take_over() && !first.is_whole());
    assert!(poll(&mut first).is_pending());
    assert_eq!(next(&mut second), "a");
    assert_eq!(next(&mut second), "b");
    assert_eq!(next(&mut first), "b");
    assert!(poll(&mut first).is_pending());
    assert_eq!(next(&mut second), "c");
    assert!(second.is_end_stream() && !first.is_end_stream());
    assert_eq!(next(&mut first), "c");
    assert!(matches!(poll(&mut first), Poll::Ready(None)));
    assert!(matches!(poll(&mut second), Poll::Ready(None)));
}

#[test]
fn the_earlier_one_goes_on_once_the_later_one_is_dropped() {
    let mut first = ReplayBody::new(Source::new(["a", "b"].map(data)));
    let second = first.replay().expect("a second body");
    assert!(second.take_over());
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut first).poll_frame(&mut context).is_pending());
    assert_eq!(bell.rung(), 0);
    drop(second);
    assert_eq!(bell.rung(), 1);
    assert_eq!(next(&mut first), "a");
    assert_eq!(next(&mut first), "b");
}

#[test]
fn an_earlier_one_cannot_carry_the_body_beyond_the_bound() {
    let mut first = ReplayBody::with_bound(Source::new(["ab", "cd", "ef"].map(data)), 3);
    let mut second = first.replay().expect("a second body");
    assert_eq!(next(&mut first), "ab");
    assert!(second.take_over());
    assert!(poll(&mut first).is_pending());
    for piece in ["ab", "cd"] {
        assert_eq!(next(&mut second), piece);
    }
    // Beyond the bound now: the later one goes on, and the earlier one fails.
    assert!(second.replay().is_none());
    assert_lost(poll(&mut first), true);
    assert!(first.is_end_stream());
    assert!(matches!(poll(&mut first), Poll::Ready(None)));
    assert_eq!(next(&mut second), "ef");
    assert!(matches!(poll(&mut second), Poll::Ready(None)));
}

#[test]
fn beyond_the_bound_there_is_no_second_body_and_memory_is_freed() {
    let kept = Bytes::from(vec![b'x'; 60]);
    let beats = [Beat::Data(kept.clone()), data("more"), data("and more")];
    let mut first = ReplayBody::with_bound(Source::new(beats), 63);
    let mut second = first.replay().expect("a second body");
    assert_eq!(next(&mut first).len(), 60);
    assert!(!kept.is_unique());
    assert!(second.is_whole());
    assert_eq!(next(&mut first), "more");
    assert!(kept.is_unique());
    assert!(first.replay().is_none() && second.replay().is_none());
    assert!(!second.is_whole() && !second.take_over());
    assert_lost(poll(&mut second), true);
    assert_eq!(next(&mut first), "and more");
    assert!(matches!(poll(&mut first), Poll::Ready(None)));
}

#[test]
fn nothing_is_kept_that_nobody_could_use() {
    let kept = Bytes::from(vec![b'x'; 60]);
    let beats = || [Beat::Data(kept.clone()), Beat::Hang];
    let mut first = ReplayBody::new(Source::new(beats()));
    assert_eq!(next(&mut first).len(), 60);
    assert!(kept.is_unique());
    assert!(first.replay().is_none());

    // As when the answer is there, and the retry layer has no use for its copy any more.
    let mut first = ReplayBody::new(Source::new(
        beats().into_iter().take(1).chain(["a", "b"].map(data)),
    ));
    let second = first.replay();
    assert_eq!(next(&mut first).len(), 60);
    assert!(!kept.is_unique());
    drop(second);
    assert_eq!(next(&mut first), "a");
    assert!(kept.is_unique());
    assert_eq!(next(&mut first), "b");
}

#[test]
fn a_body_that_is_too_long_by_its_own_word_is_sent_once_from_the_start() {
    let source = || Source::new(["ab", "cd"].map(data)).with_length();
    assert!(ReplayBody::with_bound(source(), 4).replay().is_some());
    let mut body = ReplayBody::with_bound(source(), 3);
    assert!(body.replay().is_none());
    assert!(body.is_whole() && body.take_over());
    assert_eq!(next(&mut body), "ab");
    assert_eq!(body.size_hint().exact(), Some(2));
    assert_eq!(next(&mut body), "cd");
    assert!(body.is_end_stream());
}

#[test]
fn an_error_of_the_body_comes_once_and_as_it_was() {
    let mut first = ReplayBody::new(Source::new([data("ab"), Beat::Fail]));
    let mut second = first.replay().expect("a second body");
    assert_eq!(next(&mut first), "ab");
    let Poll::Ready(Some(Err(error))) = poll(&mut first) else {
        panic!("an error");
    };
    assert!(error.is::<std::io::Error>());
    assert!(matches!(poll(&mut first), Poll::Ready(None)));
    assert!(!second.is_whole() && !second.take_over() && second.replay().is_none());
    assert!(!second.is_end_stream());
    assert_lost(poll(&mut second), false);
}

#[test]
fn a_body_that_panics_is_not_polled_again_and_ends_nobody_unnoticed() {
    let mut first = ReplayBody::new(Source::new([data("ab"), Beat::Panic, data("cd")]));
    let mut second = first.replay().expect("a second body");
    assert_eq!(next(&mut first), "ab");
    let panicking = std::panic::AssertUnwindSafe(|| poll(&mut first));
    assert!(std::panic::catch_unwind(panicking).is_err());
    assert!(!second.is_whole());
    assert_lost(poll(&mut second), false);
    assert_lost(poll(&mut first), false);
}

#[test]
fn a_body_without_bytes_is_empty_in_every_attempt() {
    let first = ReplayBody::with_bound(Source::new([]).with_length(), 0);
    let mut second = first.replay().expect("a second body");
    for body in [&first, &second] {
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
    }
    assert!(matches!(poll(&mut second), Poll::Ready(None)));
    assert!(second.is_end_stream());
}

#[test]
fn what_is_around_a_body_passes_the_questions_on() {
    type Around = Either<Full<Bytes>, Box<Pin<Box<ReplayBody<Source>>>>>;
    let lost = |around: &Around| {
        let second = around.replay().expect("a second body");
        assert!(second.is_whole() && second.take_over());
        second
    };
    let body = ReplayBody::with_bound(Source::new(["ab", "cd"].map(data)), 3);
    let mut first: Around = Either::Right(Box::new(Box::pin(body)));
    let second = lost(&first);
    let Either::Right(inner) = &mut first else {
        unreachable!("it was made so");
    };
    drop(second);
    let second = inner.replay().map(Either::Right).expect("a second body");
    assert_eq!(next(inner), "ab");
    assert_eq!(next(inner), "cd");
    let second: Around = second;
    assert!(!second.is_whole() && !second.take_over());
}

#[test]
fn neither_bytes_nor_errors_of_others_are_printed() {
    let mut body = ReplayBody::new(Source::new([data("secret"), data("secret")]));
    let _second = body.replay();
    let _ = poll(&mut body);
    assert!(!format!("{body:?}").contains("secret"));
}

#[test]
fn what_is_pending_for_ever_is_dropped_with_its_copies() {
    let source = Source::new([data("a"), Beat::Hang]);
    let mut first = ReplayBody::new(source);
    let second = first.replay().expect("a second body");
    assert_eq!(next(&mut first), "a");
    assert!(first.frame().now_or_never().is_none());
    drop(first);
    assert!(second.collect().now_or_never().is_none());
}
