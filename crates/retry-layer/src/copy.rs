//! The copy of a request that its replays are made from.

use http::Request;

use crate::Replay;

/// A second request like `request`: method, URI, version, headers, extensions, and a body of its own.
///
/// `None` where the body cannot be sent again; nothing is copied then.
pub(crate) fn of<B: Replay>(request: &Request<B>) -> Option<Request<B>> {
    let mut copy = Request::new(request.body().replay()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}
