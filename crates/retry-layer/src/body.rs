//! A response body of which the beginning may have been read ahead.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// How much of an earlier response's body is read ahead so that its connection is free for the replay.
pub(crate) const READ_AHEAD: usize = 64 * 1024;

/// What a frame counts as at least: no more than 1024 of them are held, or read in one poll.
const LEAST: usize = 64;

pin_project! {
    /// The body of a response that came through a [`Retry`](crate::Retry), byte for byte as the service below gave it.
    ///
    /// A response that is returned although the layer has prepared to replay its request may have been read ahead in
    /// part: the frames, or the error, that came then are handed out first.
    pub struct RetryBody<B: Body> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B: Body> {
        Untouched { #[pin] body: B },
        Ahead { ahead: ReadAhead<B> },
    }
}

impl<B: Body> RetryBody<B> {
    pub(crate) fn untouched(body: B) -> Self {
        Self {
            kind: Kind::Untouched { body },
        }
    }

    pub(crate) fn read_ahead(ahead: ReadAhead<B>) -> Self {
        Self {
            kind: Kind::Ahead { ahead },
        }
    }
}

/// What has been read of a body, and the rest of it, pinned where it was read.
pub(crate) struct ReadAhead<B: Body> {
    frames: VecDeque<Result<Frame<B::Data>, B::Error>>,
    /// Bytes of data, where each frame counts as [`LEAST`] at least: a body of empty ones comes to an end too.
    read: usize,
    /// Gone once the body has ended or failed.
    rest: Option<Pin<Box<B>>>,
    /// What the body had yet to give when it failed. Without it, the length would be that of what came, and whoever passes
    /// the body on by its length would never come to the error.
    missing: SizeHint,
}

impl<B: Body> ReadAhead<B> {
    pub(crate) fn new(body: B) -> Self {
        Self {
            frames: VecDeque::new(),
            read: 0,
            rest: Some(Box::pin(body)),
            missing: SizeHint::with_exact(0),
        }
    }

    /// Reads until there is nothing left to read, or as much as is ever read ahead.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(rest) = &mut self.rest {
            if self.read >= READ_AHEAD {
                break;
            }
            if rest.is_end_stream() {
                self.rest = None;
                break;
            }
            let hint = rest.size_hint();
            match ready!(rest.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let data = frame.data_ref().map_or(0, Buf::remaining);
                    self.read = self.read.saturating_add(data.max(LEAST));
                    self.frames.push_back(Ok(frame));
                }
                Some(Err(error)) => {
                    self.frames.push_back(Err(error));
                    self.missing = hint;
                    self.rest = None;
                }
                None => self.rest = None,
            }
        }
        Poll::Ready(())
    }
}

impl<B: Body> Body for RetryBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let ahead = match self.project().kind.project() {
            KindProj::Untouched { body } => return body.poll_frame(cx),
            KindProj::Ahead { ahead } => ahead,
        };
        if let Some(frame) = ahead.frames.pop_front() {
            return Poll::Ready(Some(frame));
        }
        match &mut ahead.rest {
            Some(rest) => rest.as_mut().poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Untouched { body } => body.is_end_stream(),
            Kind::Ahead { ahead } => {
                let rest_is_over = ahead.rest.as_ref().is_none_or(|rest| rest.is_end_stream());
                ahead.frames.is_empty() && rest_is_over
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = match &self.kind {
            Kind::Untouched { body } => return body.size_hint(),
            Kind::Ahead { ahead } => ahead,
        };
        let frames = ahead.frames.iter().flatten().filter_map(Frame::data_ref);
        let held = frames.map(|data| data.remaining() as u64).sum::<u64>();
        let rest = ahead.rest.as_ref().map(|rest| rest.size_hint());
        let rest = rest.as_ref().unwrap_or(&ahead.missing);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(held));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(held)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<B: Body> fmt::Debug for RetryBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBody").finish_non_exhaustive()
    }
}
