//! What the copies of one body share: the body itself, what has been read of it, and who reads on.

use std::mem;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use call_context::BoxError;
use http_body::{Body, Frame, SizeHint};

use super::error::{BodyLost, Lost};
use super::recording::Recording;

/// The number of a copy: a later one has a higher number.
pub(super) type Serial = u64;

pub(super) struct Shared<B> {
    /// What the body said of its length, and of being empty, before any of it was read. So does each copy.
    pub(super) hint: SizeHint,
    pub(super) empty: bool,
    bound: usize,
    state: Mutex<State<B>>,
}

struct State<B> {
    source: Source<B>,
    /// Everything that has been read, from the first frame on; or why it is not at hand.
    recording: Result<Recording, Lost>,
    /// The one frame that an earlier copy happened to read beyond the bound. It is for the leader.
    overhang: Option<Frame<Bytes>>,
    /// The latest of the copies that have begun, or have been announced: it alone reads on. The others get what it has
    /// read as long as that is recorded.
    leader: Option<Serial>,
    latest: Serial,
    /// The tasks of copies that have to wait.
    waiting: Vec<(Serial, Waker)>,
}

enum Source<B> {
    Here(Pin<Box<B>>),
    /// A copy is reading at this moment, without the lock.
    Busy,
    /// It has ended, failed or panicked, or nobody could use any more of it.
    Gone,
}

/// What a copy is to do when it is polled.
enum Turn<B> {
    Hand(Frame<Bytes>),
    Read(Pin<Box<B>>),
    Wait,
    End,
    Fail(Lost),
}

/// What must happen without the lock, since it runs code of others.
struct Later<B> {
    wake: Vec<(Serial, Waker)>,
    dropped: (Option<Waker>, Option<Recording>, Option<Source<B>>),
}

impl<B> State<B> {
    fn turn(
        &mut self,
        serial: Serial,
        position: usize,
        waker: &Waker,
        later: &mut Later<B>,
    ) -> Turn<B> {
        later.dropped.0 = self.stop_waiting(serial);
        let leads = self.lead(serial);
        match &self.recording {
            Ok(recording) => {
                if let Some(frame) = recording.frame(position) {
                    return Turn::Hand(frame);
                }
            }
            Err(Lost::Unrecorded) if leads => {}
            Err(lost) => return Turn::Fail(*lost),
        }
        if leads && let Some(frame) = self.overhang.take() {
            self.lose(Lost::Unrecorded, later);
            return Turn::Hand(frame);
        }
        match mem::replace(&mut self.source, Source::Busy) {
            Source::Here(source) if leads => return Turn::Read(source),
            Source::Gone if self.overhang.is_none() => {
                self.source = Source::Gone;
                return Turn::End;
            }
            other => self.source = other,
        }
        self.waiting.push((serial, waker.clone()));
        Turn::Wait
    }

    /// Makes `serial` the leader unless a later copy is, and says whether it is now. What is lost has the leader it had.
    fn lead(&mut self, serial: Serial) -> bool {
        if self.recording.is_ok() && self.leader.is_none_or(|leader| leader < serial) {
            self.leader = Some(serial);
        }
        self.leader == Some(serial)
    }

    /// Takes the source back with what was read of it, and says what the reader gets of that.
    fn take_back<E>(
        &mut self,
        serial: Serial,
        source: Option<Pin<Box<B>>>,
        read: Poll<Option<Result<Frame<Bytes>, E>>>,
        others: Option<&Waker>,
        later: &mut Later<B>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        self.source = source.map_or(Source::Gone, Source::Here);
        // Another one may lead by now, and may be gone again.
        let leads = self.lead(serial);
        let frame = match read {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Pending => {
                // Somebody may have come in the meantime, and have found the source busy.
                if !leads {
                    later.wake.append(&mut self.waiting);
                }
                self.waiting
                    .extend(others.map(|waker| (serial, waker.clone())));
                return Poll::Pending;
            }
            Poll::Ready(None) => {
                later.wake.append(&mut self.waiting);
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(error))) => {
                self.lose(Lost::Failed, later);
                return Poll::Ready(Some(Err(error)));
            }
        };
        later.wake.append(&mut self.waiting);
        let recorded = match &mut self.recording {
            Ok(recording) => others.is_some() && recording.push(&frame),
            Err(_) => false,
        };
        if !recorded && !leads {
            self.overhang = Some(frame);
            self.waiting
                .extend(others.map(|waker| (serial, waker.clone())));
            return Poll::Pending;
        }
        if !recorded && self.recording.is_ok() {
            self.lose(Lost::Unrecorded, later);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn lose(&mut self, lost: Lost, later: &mut Later<B>) {
        later.dropped.1 = mem::replace(&mut self.recording, Err(lost)).ok();
        later.wake.append(&mut self.waiting);
    }

    fn stop_waiting(&mut self, serial: Serial) -> Option<Waker> {
        let at = self.waiting.iter().position(|(s, _)| *s == serial)?;
        Some(self.waiting.swap_remove(at).1)
    }
}

impl<B: Body> Shared<B> {
    pub(super) fn new(body: B, bound: usize) -> Self {
        let (hint, empty) = (body.size_hint(), body.is_end_stream());
        let fits = hint.lower() <= bound as u64;
        let source = Some(Box::pin(body)).filter(|_| !empty);
        Self {
            hint,
            empty,
            bound,
            state: Mutex::new(State {
                source: source.map_or(Source::Gone, Source::Here),
                recording: fits.then(|| Recording::new(bound)).ok_or(Lost::Unrecorded),
                overhang: None,
                leader: Some(0),
                latest: 0,
                waiting: Vec::new(),
            }),
        }
    }

    /// The next frame for the copy `serial`, which has had `position` frames. With `alone`, there is no other copy, and
    /// never will be.
    pub(super) fn poll(
        &self,
        serial: Serial,
        position: usize,
        alone: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
    where
        B::Error: Into<BoxError>,
    {
        let turn = |state: &mut State<B>, later: &mut Later<B>| {
            state.turn(serial, position, cx.waker(), later)
        };
        let source = match self.with(turn) {
            Turn::Read(source) => source,
            Turn::Hand(frame) => return Poll::Ready(Some(Ok(frame))),
            Turn::Wait => return Poll::Pending,
            Turn::End => return Poll::Ready(None),
            Turn::Fail(lost) => {
                let error = BodyLost::new(lost, self.bound);
                return Poll::Ready(Some(Err(error.into())));
            }
        };
        let mut reading = Reading {
            shared: self,
            source: Some(source),
        };
        let read = reading.poll(cx).map_err(Into::into);
        let source = reading.source.take();
        drop(reading);
        let others = Some(cx.waker()).filter(|_| !alone);
        self.with(|state, later| state.take_back(serial, source, read, others, later))
    }
}

impl<B> Shared<B> {
    /// The number of a new copy, if there can be one.
    pub(super) fn copy(&self) -> Option<Serial> {
        let mut state = self.lock();
        state.recording.as_ref().ok()?;
        state.latest += 1;
        Some(state.latest)
    }

    /// Whether the copy `serial`, of which nothing has been read, could give all bytes.
    pub(super) fn is_whole(&self, serial: Serial) -> bool {
        let state = self.lock();
        match state.recording {
            Ok(_) => true,
            Err(Lost::Unrecorded) => state.leader == Some(serial),
            Err(Lost::Failed) => false,
        }
    }

    /// Makes the copy `serial` the one that reads on, and says whether it is.
    pub(super) fn take_over(&self, serial: Serial) -> bool {
        let mut state = self.lock();
        state.lead(serial) && !matches!(state.recording, Err(Lost::Failed))
    }

    /// Whether the copy `serial` has had everything with its first `position` frames.
    pub(super) fn is_over(&self, serial: Serial, position: usize) -> bool {
        let state = self.lock();
        let had_all = match &state.recording {
            Ok(recording) => position >= recording.len() && state.overhang.is_none(),
            Err(lost) => *lost == Lost::Unrecorded && state.leader == Some(serial),
        };
        had_all && matches!(state.source, Source::Gone)
    }

    /// Takes note that the copy `serial` is gone.
    pub(super) fn leave(&self, serial: Serial) {
        self.with(|state, later| {
            later.dropped.0 = state.stop_waiting(serial);
            if state.leader != Some(serial) {
                return;
            }
            state.leader = None;
            later.wake.append(&mut state.waiting);
            if state.recording.is_err() {
                let source = mem::replace(&mut state.source, Source::Gone);
                later.dropped.2 = Some(source);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut State<B>, &mut Later<B>) -> T) -> T {
        let mut later = Later {
            wake: Vec::new(),
            dropped: (None, None, None),
        };
        let value = act(&mut self.lock(), &mut later);
        for (_, waker) in later.wake {
            waker.wake();
        }
        value
    }

    // Nothing under the lock panics half-way through a change.
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The source while it is read. One that panics is never polled again, and fails the copies.
struct Reading<'a, B> {
    shared: &'a Shared<B>,
    source: Option<Pin<Box<B>>>,
}

impl<B: Body> Reading<'_, B> {
    /// Reads a frame, and lets go of a source that has no other.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(source) = &mut self.source else {
            return Poll::Ready(None);
        };
        let whole = |mut data: B::Data| data.copy_to_bytes(data.remaining());
        let read = source.as_mut().poll_frame(cx);
        let read = read.map_ok(|frame| frame.map_data(whole));
        let is_over = match &read {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(_))) => source.is_end_stream(),
            Poll::Ready(None | Some(Err(_))) => true,
        };
        if is_over {
            self.source = None;
        }
        read
    }
}

impl<B> Drop for Reading<'_, B> {
    fn drop(&mut self) {
        if self.source.is_some() {
            self.shared.with(|state, later| {
                state.source = Source::Gone;
                state.lose(Lost::Failed, later);
            });
        }
    }
}
