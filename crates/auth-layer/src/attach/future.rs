//! What becomes of a request that carries a credential.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use call_context::BoxError;
use http::{HeaderMap, Response, StatusCode};
use pin_project_lite::pin_project;

use crate::{AuthError, KeySlot, TokenSlot, challenge};

pin_project! {
    /// The future of [`Attach`](crate::Attach).
    #[must_use = "futures do nothing unless polled"]
    #[project = Projection]
    pub struct AttachFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Refused { error: Option<AuthError> },
        Sent { #[pin] future: F, sent: Option<Sent> },
    }
}

/// Which token or key went out with a request. As a response extension: it was refused, and is used no more.
#[derive(Clone)]
pub(crate) enum Sent {
    /// The token of that generation.
    Token(TokenSlot, u64),
    /// The key of that number.
    Key(KeySlot, u64),
}

impl Sent {
    fn accept(&self, headers: &HeaderMap) {
        match self {
            Self::Token(slot, generation) => slot.accept(*generation, headers),
            Self::Key(slot, id) => slot.accept(*id),
        }
    }

    /// Whether something better is in use, or may be soon.
    fn reject(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Token(slot, generation) => {
                slot.reject(*generation, headers);
                true
            }
            Self::Key(slot, id) => slot.reject(*id),
        }
    }
}

impl<F> AttachFuture<F> {
    pub(super) fn refused(error: AuthError) -> Self {
        let error = Some(error);
        Self {
            state: State::Refused { error },
        }
    }

    pub(super) fn sent(future: F, sent: Option<Sent>) -> Self {
        Self {
            state: State::Sent { future, sent },
        }
    }
}

impl<F, R, E> Future for AttachFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Refused { error } => {
                let error = error.take().expect("polled after completion");
                Poll::Ready(Err(error.into()))
            }
            StateProjection::Sent { future, sent } => {
                let mut response = ready!(future.poll(cx)).map_err(Into::into)?;
                if let Some(sent) = sent.take() {
                    judge(&mut response, sent);
                }
                Poll::Ready(Ok(response))
            }
        }
    }
}

/// Tells the slot what the server's answer says about its token.
///
/// Success, redirects, 403 and a challenge about the scope show that the server knew the token. Every other answer may have
/// been given without a look at it.
fn judge<R>(response: &mut Response<R>, sent: Sent) {
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED && !challenge::is_about_scope(response.headers()) {
        if sent.reject(response.headers()) {
            response.extensions_mut().insert(sent);
        }
    } else if matches!(status.as_u16(), 101 | 200..=399 | 401 | 403) {
        sent.accept(response.headers());
    }
}
