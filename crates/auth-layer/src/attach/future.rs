//! What becomes of a request that carries a credential.

use std::pin::Pin;
use std::task::{Context, Poll};

use call_context::BoxError;
use http::{HeaderMap, Response, StatusCode};
use pin_project_lite::pin_project;

use crate::{AuthError, KeySlot, TokenSlot, challenge};

pin_project! {
    /// The future of [`Attach`](crate::Attach).
    // Side by side and not one of several states: so the inner service writes its future where it stays.
    #[must_use = "futures do nothing unless polled"]
    pub struct AttachFuture<F> {
        #[pin]
        future: Option<F>,
        sent: Option<Sent>,
        refused: Option<BoxError>,
    }
}

/// Which token or key went out with a request. As a response extension: it was refused, and is used no more.
#[derive(Clone)]
pub(crate) enum Sent {
    /// The token of that generation.
    Token(TokenSlot, u64),
    /// The same, where it is no news that a server accepts it.
    Known(TokenSlot, u64),
    /// The key of that number.
    Key(KeySlot, u64),
}

impl Sent {
    pub(crate) fn key(slot: &KeySlot, id: u64) -> Self {
        Self::Key(slot.clone(), id)
    }

    fn accept(&self, headers: &HeaderMap) {
        match self {
            Self::Token(slot, generation) => slot.accept(*generation, headers),
            Self::Known(..) => {}
            Self::Key(slot, id) => slot.accept(*id),
        }
    }

    /// Whether something better is in use, or may be soon.
    fn reject(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Token(slot, generation) | Self::Known(slot, generation) => {
                slot.reject(*generation, headers);
                true
            }
            Self::Key(slot, id) => slot.reject(*id),
        }
    }
}

impl<F> AttachFuture<F> {
    pub(super) fn refused(error: AuthError) -> Self {
        Self {
            future: None,
            sent: None,
            refused: Some(error.into()),
        }
    }

    #[inline]
    pub(super) fn sent(future: F, sent: Option<Sent>) -> Self {
        Self {
            future: Some(future),
            sent,
            refused: None,
        }
    }
}

impl<F, R, E> Future for AttachFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<R>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(future) = this.future.as_pin_mut() else {
            let error = this.refused.take().expect("polled after completion");
            return Poll::Ready(Err(error));
        };
        // Spelled out, and not by `?`: an answer is large, and is moved less often so.
        match future.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Ready(Ok(mut response)) => {
                if let Some(sent) = this.sent.take() {
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
