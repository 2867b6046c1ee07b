//! Exchanges for the tests of classifiers.

use bytes::Bytes;
use call_context::BodyPrefix;
use http::{Method, Response, StatusCode, Uri};

use super::{Classify, Exchange, Facts, Piece, Verdict};

fn with<T>(
    status: u16,
    headers: &[(&'static str, &'static str)],
    prefix: &'static str,
    keyed: bool,
    look: impl FnOnce(&Exchange<'_>) -> T,
) -> T {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        let value = value.parse().expect("a value");
        response.headers_mut().append(*name, value);
    }
    let prefix = BodyPrefix::new(Bytes::from_static(prefix.as_bytes()));
    response.extensions_mut().insert(prefix);
    let uri = Uri::from_static("https://api.example.com/");
    let facts = Facts::new(&Method::POST, &uri).keyed(keyed);
    look(&Exchange::answered(facts, &response))
}

/// What `classifier` says of a response.
pub(super) fn verdict(
    classifier: &impl Classify,
    status: u16,
    headers: &[(&'static str, &'static str)],
    prefix: &'static str,
) -> Verdict {
    with(status, headers, prefix, false, |exchange| {
        classifier.classify(exchange)
    })
}

/// What `piece` says of a response to a request without a key.
pub(super) fn opinion(
    piece: &impl Piece,
    status: u16,
    headers: &[(&'static str, &'static str)],
    prefix: &'static str,
) -> Option<Verdict> {
    with(status, headers, prefix, false, |exchange| {
        piece.opinion(exchange)
    })
}

/// What `piece` says of a status, with a key or without one.
pub(super) fn opinion_on_status(piece: &impl Piece, status: u16, keyed: bool) -> Option<Verdict> {
    with(status, &[], "", keyed, |exchange| piece.opinion(exchange))
}

/// What `piece` says of an error.
pub(super) fn opinion_on_error(piece: &impl Piece) -> Option<Verdict> {
    let error = std::io::Error::other("reset");
    let uri = Uri::from_static("https://api.example.com/");
    piece.opinion(&Exchange::failed(Facts::new(&Method::POST, &uri), &error))
}
