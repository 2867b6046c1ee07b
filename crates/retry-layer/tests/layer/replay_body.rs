//! Streaming bodies that can be sent again: any frames, any attempts, any bound.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Buf, Bytes};
use call_context::BoxError;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Either, Full};
use proptest::prelude::*;
use retry_layer::{BodyLost, Replay, ReplayBody};

/// What a body does when it is polled.
#[derive(Clone, Debug)]
enum Beat {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Nothing yet, and the task is woken at once.
    Wait,
    /// Nothing, and nobody is woken.
    Hang,
    Fail,
    Panic,
}

/// A body that goes through its beats, and may tell its length.
struct Source {
    beats: VecDeque<Beat>,
    length: Option<u64>,
}

impl Source {
    fn new(beats: impl IntoIterator<Item = Beat>) -> Self {
        let beats: VecDeque<_> = beats.into_iter().collect();
        Self {
            beats,
            length: None,
        }
    }

    fn with_length(mut self) -> Self {
        self.length = Some(self.beats.iter().map(|beat| length(beat) as u64).sum());
        self
    }
}

fn length(beat: &Beat) -> usize {
    match beat {
        Beat::Data(data) => data.len(),
        _ => 0,
    }
}

fn data(text: &'static str) -> Beat {
    Beat::Data(Bytes::from_static(text.as_bytes()))
}

fn sum() -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static("x-sum"),
        HeaderValue::from_static("9"),
    )])
}

impl Body for Source {
    // Two chunks where the length is odd, so that nothing rests on data that is contiguous already.
    type Data = bytes::buf::Chain<Bytes, Bytes>;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, std::io::Error>>> {
        Poll::Ready(Some(match self.beats.pop_front() {
            Some(Beat::Data(data)) => {
                if let Some(length) = &mut self.length {
                    *length -= data.len() as u64;
                }
                let cut = data.len() % 2 * (data.len() / 2);
                Ok(Frame::data(data.slice(..cut).chain(data.slice(cut..))))
            }
            Some(Beat::Trailers(trailers)) => Ok(Frame::trailers(trailers)),
            Some(Beat::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Beat::Hang) => {
                self.beats.push_front(Beat::Hang);
                return Poll::Pending;
            }
            Some(Beat::Fail) => Err(std::io::Error::other("the disk")),
            Some(Beat::Panic) => panic!("the body's own"),
            None => return Poll::Ready(None),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.beats.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Counts how often its task is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

type Read = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

fn poll(body: &mut ReplayBody<Source>) -> Read {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

fn next(body: &mut ReplayBody<Source>) -> Bytes {
    match poll(body) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().expect("data"),
        other => panic!("{other:?}"),
    }
}

fn assert_lost(read: Read, over_bound: bool) {
    match read {
        Poll::Ready(Some(Err(error))) => {
            let lost = error.downcast::<BodyLost>().expect("lost");
            assert_eq!(lost.is_over_bound(), over_bound, "{lost}");
        }
        other => panic!("{other:?}"),
    }
}

async fn read(body: ReplayBody<Source>) -> (Bytes, Option<HeaderMap>) {
    let body = body.collect().await.expect("a body");
    let trailers = body.trailers().cloned();
    (body.to_bytes(), trailers)
}

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
    assert_eq!(bell.0.load(SeqCst), 0);
    drop(second);
    assert_eq!(bell.0.load(SeqCst), 1);
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
        assert_eq!(bell.0.load(SeqCst), 1);
        let expected = found.unwrap_or("cd");
        assert_eq!(text(&mut at_last(&slot)).expect("a frame"), expected);
    }
}

/// The moves of a client: what it does to which of its attempts.
#[derive(Clone, Copy, Debug)]
enum Move {
    Poll(usize),
    Drop(usize),
    /// The retry layer sends its copy, and makes another one.
    Send,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => (0..4usize).prop_map(Move::Poll),
        1 => (0..4usize).prop_map(Move::Drop),
        1 => Just(Move::Send),
    ];
    prop::collection::vec(one, 0..60)
}

fn beats() -> impl Strategy<Value = Vec<Beat>> {
    let piece = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40).prop_map(|d| Beat::Data(d.into())),
        1 => Just(Beat::Wait),
    ];
    let end = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Beat::Fail)),
        2 => Just(Some(Beat::Trailers(sum()))),
    ];
    (prop::collection::vec(piece, 0..12), end)
        .prop_map(|(pieces, end)| pieces.into_iter().chain(end).collect())
}

/// One attempt's body, and what its client has seen of it.
struct Attempt {
    number: usize,
    body: ReplayBody<Source>,
    bell: Arc<Bell>,
    had: usize,
    over: bool,
    /// It waits, and was woken so often before.
    waits_since: Option<usize>,
}

/// What the trailers weigh: their name and value, and 32 bytes.
const TRAILERS: usize = 5 + 1 + 32;

/// What all of them must show.
struct Model {
    frames: Vec<Beat>,
    fails: bool,
    length: Option<usize>,
}

impl Model {
    fn is_end(&self, had: usize) -> bool {
        had == self.frames.len()
    }

    /// Polls `attempt` once, and checks what comes. `latest` may not lose anything to anybody.
    fn poll(&self, attempt: &mut Attempt, latest: bool) {
        if attempt.over {
            return;
        }
        let bytes: usize = self.frames[..attempt.had].iter().map(length).sum();
        let left = self.length.map(|length| (length - bytes) as u64);
        assert_eq!(attempt.body.size_hint().exact(), left);
        let says_end = attempt.body.is_end_stream();
        let rung = attempt.bell.0.load(SeqCst);
        let waker = Waker::from(Arc::clone(&attempt.bell));
        let read = Pin::new(&mut attempt.body).poll_frame(&mut Context::from_waker(&waker));
        assert!(
            !says_end || matches!(read, Poll::Ready(None)),
            "it had ended"
        );
        attempt.waits_since = None;
        match read {
            Poll::Pending => attempt.waits_since = Some(rung),
            Poll::Ready(Some(Ok(frame))) => {
                match &self.frames[attempt.had] {
                    Beat::Data(data) => assert_eq!(frame.data_ref(), Some(data)),
                    Beat::Trailers(trailers) => assert_eq!(frame.trailers_ref(), Some(trailers)),
                    other => panic!("{other:?} is no frame"),
                }
                attempt.had += 1;
            }
            Poll::Ready(None) => {
                assert!(self.is_end(attempt.had) && !self.fails, "cut short");
                attempt.over = true;
            }
            Poll::Ready(Some(Err(error))) => {
                attempt.over = true;
                match error.downcast_ref::<BodyLost>() {
                    Some(lost) if lost.is_over_bound() => assert!(!latest, "{lost}"),
                    Some(_) => assert!(self.fails),
                    None => assert!(self.fails && self.is_end(attempt.had)),
                }
            }
        }
    }
}

fn play(beats: &[Beat], told: bool, bound: usize, moves: &[Move]) {
    let source = Source::new(beats.iter().cloned());
    let source = if told { source.with_length() } else { source };
    let total = beats.iter().map(length).sum::<usize>();
    let is_frame = |beat: &&Beat| matches!(beat, Beat::Data(_) | Beat::Trailers(_));
    let model = Model {
        frames: beats.iter().filter(is_frame).cloned().collect(),
        fails: beats.iter().any(|beat| matches!(beat, Beat::Fail)),
        length: told.then_some(total),
    };
    let empty = source.is_end_stream();
    let attempt = |number, body| Attempt {
        number,
        body,
        bell: Arc::default(),
        had: 0,
        over: false,
        waits_since: None,
    };
    let first = ReplayBody::with_bound(source, bound);
    let mut held = first.replay();
    let mut attempts = vec![attempt(0, first)];
    let mut sent = 0;
    for step in moves {
        match *step {
            Move::Poll(at) if at < attempts.len() => {
                let latest = attempts[at].number == sent;
                model.poll(&mut attempts[at], latest);
            }
            Move::Drop(at) if at < attempts.len() => drop(attempts.remove(at)),
            Move::Poll(_) | Move::Drop(_) => {}
            Move::Send => {
                let Some(copy) = held.take() else { continue };
                assert_eq!(copy.is_end_stream(), empty);
                if total + TRAILERS <= bound && !model.fails {
                    assert!(copy.is_whole(), "everything fits");
                }
                let whole = copy.is_whole();
                assert_eq!(copy.take_over(), whole);
                if whole {
                    held = copy.replay();
                    sent += 1;
                    attempts.push(attempt(sent, copy));
                } else {
                    let mut refused = attempt(usize::MAX, copy);
                    model.poll(&mut refused, false);
                    assert!(refused.over && refused.had == 0);
                }
            }
        }
    }
    drop(held);
    // The latest goes on to its end, and on its own; then each earlier one finds that it was woken.
    while let Some(mut latest) = attempts.pop() {
        for _ in 0..=beats.len() + 2 {
            let sure = latest.number == sent;
            model.poll(&mut latest, sure);
        }
        assert!(latest.over, "it hangs");
        let before: Vec<_> = attempts.iter().map(|a| a.waits_since).collect();
        drop(latest);
        for (attempt, waited) in attempts.iter().zip(before) {
            let rung = attempt.bell.0.load(SeqCst);
            assert!(waited.is_none_or(|before| rung > before), "nobody woke it");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_attempt_ever_shows_anything_but_the_body(
        beats in beats(),
        told in any::<bool>(),
        bound in 0..300usize,
        moves in moves(),
    ) {
        play(&beats, told, bound, &moves);
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
