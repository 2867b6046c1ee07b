//! The outcome that stands while a replay is under way.

use std::task::{Context, Poll};

use call_context::BoxError;
use http::{Response, response};
use http_body::Body;

use crate::RetryBody;
use crate::body::{READ_AHEAD, ReadAhead};

/// An outcome that is kept whole until another one replaces it.
pub(crate) enum Earlier<R: Body> {
    /// A response whose connection is free already, or will not become so by reading a little.
    Whole(Response<R>),
    /// A response whose body is read ahead. Boxed: few calls are retried, and all futures would carry the room for it.
    Ahead(Box<(response::Parts, ReadAhead<R>)>),
    /// An error, and whether its attempt may have reached the server.
    Failed { error: BoxError, departed: bool },
}

impl<R: Body> Earlier<R> {
    pub(crate) fn new(outcome: Result<Response<R>, BoxError>, departed: bool) -> Self {
        let response = match outcome {
            Ok(response) => response,
            Err(error) => return Self::Failed { error, departed },
        };
        let body = response.body();
        if body.is_end_stream() || body.size_hint().lower() > READ_AHEAD as u64 {
            return Self::Whole(response);
        }
        let (parts, body) = response.into_parts();
        Self::Ahead(Box::new((parts, ReadAhead::new(body))))
    }

    /// Ready once the connection is free, or reading on would be too much.
    pub(crate) fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Ahead(kept) => kept.1.poll_fill(cx),
            Self::Whole(_) | Self::Failed { .. } => Poll::Ready(()),
        }
    }

    pub(crate) fn is_response(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }

    /// Whether its attempt may have reached the server: only then does it tell more than a later one that did not.
    pub(crate) fn departed(&self) -> bool {
        match self {
            Self::Whole(_) | Self::Ahead(_) => true,
            Self::Failed { departed, .. } => *departed,
        }
    }

    pub(crate) fn into_outcome(self) -> Result<Response<RetryBody<R>>, BoxError> {
        match self {
            Self::Whole(response) => Ok(response.map(RetryBody::untouched)),
            Self::Ahead(kept) => {
                let (parts, ahead) = *kept;
                Ok(Response::from_parts(parts, RetryBody::read_ahead(ahead)))
            }
            Self::Failed { error, .. } => Err(error),
        }
    }
}
