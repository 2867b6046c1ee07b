//! A client below that follows redirects after all: noticed once, used no more.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use call_context::{NeverLeft, Refusal};
use reqwest::Url;

/// A client that was said to send once has followed a redirect on its own.
///
/// The call whose answer came from another URL fails with it: request and credential have been elsewhere by then, which
/// cannot be undone. Every later call is refused with it before it leaves, marked as a permanent [`NeverLeft`], so that
/// neither a retry nor the next caller sends a credential after the first one. Build the client with
/// [`client`](crate::client) or [`send_once`](crate::send_once), and replace the credential if it has been to a server
/// that must not know it.
///
/// Names no URL: a redirect's query may hold a secret.
#[derive(Debug)]
pub struct RedirectError {
    never_left: Option<NeverLeft>,
}

impl RedirectError {
    /// Whether this call's own request was sent, and redirected; if not, it was refused before it left.
    pub fn departed(&self) -> bool {
        self.never_left.is_none()
    }
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.departed() {
            "the answer is not from the URL that was called: the client below follows redirects, or a middleware below \
             changes URLs, and takes credentials along; build the client with reqwest_layer::client or send_once"
        } else {
            "an earlier answer was not from the URL that was called, so the client below is used no more; build it \
             with reqwest_layer::client or send_once"
        })
    }
}

impl Error for RedirectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.never_left.as_ref().map(|mark| mark as _)
    }
}

/// Whether the client below has ever followed a redirect.
#[derive(Clone, Default)]
pub(super) struct Followed(Arc<AtomicBool>);

impl Followed {
    /// Refuses a request that a client which follows redirects would send.
    pub(super) fn refuse_if_known(&self) -> Result<(), RedirectError> {
        if self.0.load(Ordering::Relaxed) {
            return Err(RedirectError {
                never_left: Some(NeverLeft::new(Refusal::Permanent)),
            });
        }
        Ok(())
    }

    /// Refuses the answer to a request for `sent` that came from another URL, and remembers it.
    pub(super) fn check(&self, sent: &Url, answered: &Url) -> Result<(), RedirectError> {
        if sent == answered || *answered == placeholder() {
            return Ok(());
        }
        self.0.store(true, Ordering::Relaxed);
        Err(RedirectError { never_left: None })
    }
}

/// The URL of a response that has none, for instance because a middleware made it up.
fn placeholder() -> Url {
    let response = http::Response::new(reqwest::Body::default());
    reqwest::Response::from(response).url().clone()
}
