//! What a rule may read of a request.

use std::fmt;

use call_context::{CallContext, Class, SlotName};
use http::{Extensions, HeaderMap, Method, Request, Uri};

/// The parts of a request that a key, a cost or a lane may be taken from: everything but the body.
///
/// `Debug` prints the method alone: queries and headers hold secrets.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    /// The head of `request`.
    pub fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The method.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The URI.
    pub fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The headers.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The extensions.
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }

    /// What the layers know about the call.
    pub fn context(&self) -> Option<&'a CallContext> {
        CallContext::get(self.extensions)
    }

    /// The slot that the call's credential comes from, once a gate above has resolved it.
    pub fn slot(&self) -> Option<&'a SlotName> {
        self.context().and_then(CallContext::slot)
    }

    /// The class of the route, where a layer above has classified the call.
    pub fn class(&self) -> Option<&'a Class> {
        self.context().and_then(CallContext::class)
    }
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}
