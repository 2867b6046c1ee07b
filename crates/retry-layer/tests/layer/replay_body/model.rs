//! Whatever a client does with its attempts: a plain model of what each may show.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http_body::Body;
use proptest::prelude::*;
use retry_layer::{BodyLost, Replay, ReplayBody};

use super::source::{Beat, Bell, Source, length, sum};

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
        let rung = attempt.bell.rung();
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
            let rung = attempt.bell.rung();
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
