//! A body of which it is said what it does, beat by beat; and how it is read.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Buf, Bytes};
use call_context::BoxError;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use retry_layer::{BodyLost, ReplayBody};

/// What a body does when it is polled.
#[derive(Clone, Debug)]
pub(super) enum Beat {
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
pub(super) struct Source {
    beats: VecDeque<Beat>,
    length: Option<u64>,
}

impl Source {
    pub(super) fn new(beats: impl IntoIterator<Item = Beat>) -> Self {
        let beats: VecDeque<_> = beats.into_iter().collect();
        Self {
            beats,
            length: None,
        }
    }

    pub(super) fn with_length(mut self) -> Self {
        self.length = Some(self.beats.iter().map(|beat| length(beat) as u64).sum());
        self
    }
}

pub(super) fn length(beat: &Beat) -> usize {
    match beat {
        Beat::Data(data) => data.len(),
        _ => 0,
    }
}

pub(super) fn data(text: &'static str) -> Beat {
    Beat::Data(Bytes::from_static(text.as_bytes()))
}

pub(super) fn sum() -> HeaderMap {
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
pub(super) struct Bell(AtomicUsize);

impl Bell {
    pub(super) fn rung(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

pub(super) type Read = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

pub(super) fn poll(body: &mut ReplayBody<Source>) -> Read {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

pub(super) fn next(body: &mut ReplayBody<Source>) -> Bytes {
    match poll(body) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().expect("data"),
        other => panic!("{other:?}"),
    }
}

pub(super) fn assert_lost(read: Read, over_bound: bool) {
    match read {
        Poll::Ready(Some(Err(error))) => {
            let lost = error.downcast::<BodyLost>().expect("lost");
            assert_eq!(lost.is_over_bound(), over_bound, "{lost}");
        }
        other => panic!("{other:?}"),
    }
}

pub(super) async fn read(body: ReplayBody<Source>) -> (Bytes, Option<HeaderMap>) {
    let body = body.collect().await.expect("a body");
    let trailers = body.trailers().cloned();
    (body.to_bytes(), trailers)
}
