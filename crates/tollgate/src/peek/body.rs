//! A body of which the beginning has been read and put back.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// The most frames that are held. A body of frames without data must not be read for ever.
const FRAMES: usize = 256;

pin_project! {
    /// A response body, byte for byte and frame for frame as the service below gave it.
    pub struct PeekedBody<B: Body> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B: Body> {
        Untouched { #[pin] body: B },
        Peeked { read: Box<Read<B>> },
    }
}

/// What has been taken out of a body, and the body itself, pinned where it was when it was read.
pub(super) struct Read<B: Body> {
    frames: VecDeque<Result<Frame<B::Data>, B::Error>>,
    data: usize,
    ended: bool,
    /// What the body had yet to give when it ended: something where it failed. Without it, the length would be that of what
    /// came, and whoever passes the body on by its length would never come to the error.
    missing: SizeHint,
    rest: Pin<Box<B>>,
}

impl<B: Body> PeekedBody<B> {
    pub(super) fn untouched(body: B) -> Self {
        Self {
            kind: Kind::Untouched { body },
        }
    }

    pub(super) fn peeked(read: Box<Read<B>>) -> Self {
        Self {
            kind: Kind::Peeked { read },
        }
    }
}

impl<B: Body> Read<B> {
    pub(super) fn new(body: B) -> Self {
        Self {
            frames: VecDeque::new(),
            data: 0,
            ended: false,
            missing: SizeHint::with_exact(0),
            rest: Box::pin(body),
        }
    }

    /// Reads on until `bytes` bytes of data are there, or the body has ended or failed, or came in too many pieces.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<()> {
        while self.data < bytes && self.frames.len() < FRAMES && !self.ended {
            let hint = self.rest.size_hint();
            match std::task::ready!(self.rest.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let data = frame.data_ref().map_or(0, Buf::remaining);
                    self.data = self.data.saturating_add(data);
                    self.frames.push_back(Ok(frame));
                }
                Some(Err(error)) => {
                    self.frames.push_back(Err(error));
                    self.missing = hint;
                    self.ended = true;
                }
                None => self.ended = true,
            }
        }
        Poll::Ready(())
    }

    /// A copy of the first `bytes` bytes that have been read.
    pub(super) fn prefix(&self, bytes: usize) -> Bytes {
        let mut prefix = BytesMut::with_capacity(self.data.min(bytes));
        for data in self.frames.iter().flatten().filter_map(Frame::data_ref) {
            // `Buf` can only be read by moving through it; its first chunk is all that can be seen in place.
            let chunk = data.chunk();
            let room = bytes - prefix.len();
            prefix.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() < data.remaining() || prefix.len() == bytes {
                break;
            }
        }
        prefix.freeze()
    }
}

impl<B: Body> Body for PeekedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Untouched { body } => body.poll_frame(cx),
            KindProj::Peeked { read } => match read.frames.pop_front() {
                Some(frame) => Poll::Ready(Some(frame)),
                None if read.ended => Poll::Ready(None),
                None => read.rest.as_mut().poll_frame(cx),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Untouched { body } => body.is_end_stream(),
            Kind::Peeked { read } => {
                read.frames.is_empty() && (read.ended || read.rest.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let read = match &self.kind {
            Kind::Untouched { body } => return body.size_hint(),
            Kind::Peeked { read } => read,
        };
        let held = read.frames.iter().flatten().filter_map(Frame::data_ref);
        let held = held.map(|data| data.remaining() as u64).sum::<u64>();
        let rest = (!read.ended).then(|| read.rest.size_hint());
        let rest = rest.as_ref().unwrap_or(&read.missing);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(held));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(held)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<B: Body> std::fmt::Debug for PeekedBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeekedBody").finish_non_exhaustive()
    }
}
