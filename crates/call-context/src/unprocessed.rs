//! Judges whether an error proves, or claims, that the server did not process a request.

use std::error::Error;

/// Evidence in an error that the server did not process the request.
///
/// Unlike [`NeverLeft`](crate::NeverLeft) it says nothing about whether the server *counted* the request, so a rate
/// limit keeps its place. Every other error (a timeout, a reset, an incomplete message) is no evidence at all: a
/// server that closes before reading and one that closes after executing look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unprocessed {
    /// The client knows that it never handed the request to a connection (hyper's `is_canceled`): proof.
    Undispatched,
    /// The peer says that it refused the HTTP/2 stream before processing (RFC 9113, section 8.7): a claim.
    RefusedStream,
    /// The peer's GOAWAY excludes the stream (RFC 9113, section 6.8): a claim.
    ///
    /// Hyper may also report it for a stream that the GOAWAY does not exclude, where the frame arrives in the instant
    /// between the stream's creation and its first use.
    GoAway,
}

impl Unprocessed {
    /// Whether this is only the peer's word.
    ///
    /// A proxy may send REFUSED_STREAM or GOAWAY after its backend has executed the request. Believe a claim only from
    /// origins that are known to keep RFC 9113.
    pub fn is_claim(self) -> bool {
        !matches!(self, Self::Undispatched)
    }

    /// What `error` says about its request, if anything. Always `None` without the feature `hyper`.
    ///
    /// Meant for the error of a call. Errors that come after the response's head, as those of its body or of an upgrade
    /// that was missed, look alike and prove nothing. Does not look, like [`NeverLeft::find`](crate::NeverLeft::find),
    /// into what the user's own body or transport says.
    #[cfg(feature = "hyper")]
    pub fn judge(error: &(dyn Error + 'static)) -> Option<Self> {
        crate::chain::links(error)
            // An I/O error is about a transport, whatever is inside.
            .take_while(|link| !link.is::<std::io::Error>())
            .find_map(judge_link)
    }

    /// What `error` says about its request, if anything. Always `None` without the feature `hyper`.
    #[cfg(not(feature = "hyper"))]
    pub fn judge(_error: &(dyn Error + 'static)) -> Option<Self> {
        None
    }
}

#[cfg(feature = "hyper")]
fn judge_link(link: &(dyn Error + 'static)) -> Option<Unprocessed> {
    let Some(error) = link.downcast_ref::<hyper::Error>() else {
        return judge_stream(link);
    };
    if error.is_canceled() {
        return Some(Unprocessed::Undispatched);
    }
    // The user's own body may fail with the error of another stream.
    let about_us = error.source().filter(|_| !error.is_user());
    about_us.and_then(judge_stream)
}

#[cfg(feature = "hyper")]
fn judge_stream(link: &(dyn Error + 'static)) -> Option<Unprocessed> {
    let error = link.downcast_ref::<h2::Error>()?;
    if !error.is_remote() {
        return None;
    }
    if error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM) {
        return Some(Unprocessed::RefusedStream);
    }
    // h2 fails a stream with the peer's GOAWAY only when its id is above the last one that the peer promises to process.
    error.is_go_away().then_some(Unprocessed::GoAway)
}
