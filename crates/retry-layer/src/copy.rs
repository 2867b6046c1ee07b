//! The copy of a request that its replays are made from.

mod flat;

use call_context::CallContext;
use http::{Extensions, Method, Request, Uri, Version};

use crate::Replay;
use flat::Flat;

/// All of a request, in a form that is cheap to make and to drop: most copies are never needed.
pub(crate) struct Copy<B> {
    method: Method,
    uri: Uri,
    version: Version,
    headers: Flat,
    attached: Attached,
    body: B,
}

/// The request's extensions.
enum Attached {
    /// Nothing but the call's context: no map, and no box.
    Context(CallContext),
    /// Whatever there is.
    All(Extensions),
}

/// A copy of `request`: method, URI, version, headers, extensions, and a body of its own.
///
/// `None` where the body cannot be sent again; nothing is copied then.
pub(crate) fn of<B: Replay>(request: &Request<B>) -> Option<Copy<B>> {
    let body = request.body().replay()?;
    Some(Copy {
        method: request.method().clone(),
        uri: request.uri().clone(),
        version: request.version(),
        headers: Flat::of(request.headers()),
        attached: Attached::of(request.extensions()),
        body,
    })
}

impl<B: Replay> Copy<B> {
    /// The request; and the copy once more where there is to be a replay after this one, and its body allows that.
    pub(crate) fn into_request(self, again: bool) -> (Request<B>, Option<Self>) {
        let body = if again { self.body.replay() } else { None };
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = self.headers.headers();
        *request.extensions_mut() = self.attached.extensions();
        let copy = body.map(|body| Self {
            method: self.method,
            uri: self.uri,
            version: self.version,
            headers: self.headers,
            attached: self.attached,
            body,
        });
        (request, copy)
    }
}

impl Attached {
    fn of(extensions: &Extensions) -> Self {
        match CallContext::get(extensions) {
            Some(context) if extensions.len() == 1 => Self::Context(context.clone()),
            _ => Self::All(extensions.clone()),
        }
    }

    fn extensions(&self) -> Extensions {
        match self {
            Self::Context(context) => {
                let mut extensions = Extensions::new();
                extensions.insert(context.clone());
                extensions
            }
            Self::All(extensions) => extensions.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Mark(&'static str);

    fn request() -> Request<Full<Bytes>> {
        let mut secret = HeaderValue::from_static("secret");
        secret.set_sensitive(true);
        let mut request = Request::patch("https://api.example.com/v1/orders?limit=50")
            .version(Version::HTTP_2)
            .header("cookie", "a=1")
            .header("x-key", secret)
            .header("cookie", "b=2")
            .body(Full::from("order"))
            .expect("a request");
        CallContext::of(request.extensions_mut()).set_slot("wallet".into());
        request
    }

    async fn assert_same(request: Request<Full<Bytes>>, original: &Request<Full<Bytes>>) {
        assert_eq!(request.method(), original.method());
        assert_eq!(request.uri(), original.uri());
        assert_eq!(request.version(), original.version());
        assert_eq!(request.headers(), original.headers());
        assert!(request.headers()["x-key"].is_sensitive());
        let context = CallContext::get(request.extensions()).expect("a context");
        assert_eq!(context.slot().map(|slot| slot.as_str()), Some("wallet"));
        assert_eq!(context.attempt(), 1);
        assert_eq!(request.extensions().len(), original.extensions().len());
        assert_eq!(
            request.extensions().get::<Mark>(),
            original.extensions().get::<Mark>()
        );
        let body = request.into_body().collect().await.expect("a whole body");
        assert_eq!(body.to_bytes(), "order");
    }

    #[tokio::test]
    async fn a_replay_is_the_request_and_so_is_the_one_after_it() {
        let mut marked = request();
        marked.extensions_mut().insert(Mark("the caller's"));
        for original in [request(), marked] {
            let copy = of(&original).expect("a body that replays");
            let (mut first, copy) = copy.into_request(true);
            CallContext::of(first.extensions_mut()).set_attempt(2);
            let (second, none) = copy.expect("asked for").into_request(false);
            assert!(none.is_none());
            assert_same(second, &original).await;
            CallContext::of(first.extensions_mut()).set_attempt(1);
            assert_same(first, &original).await;
        }
    }

    #[test]
    fn extensions_without_a_context_are_copied_as_they_are() {
        let mut request = Request::new(());
        let (bare, _) = of(&request).expect("replays").into_request(false);
        assert!(bare.extensions().is_empty());
        request.extensions_mut().insert(Mark("the caller's"));
        let (marked, _) = of(&request).expect("replays").into_request(false);
        assert_eq!(marked.extensions().len(), 1);
        assert!(marked.extensions().get::<Mark>().is_some());
    }

    #[test]
    fn a_body_that_cannot_be_sent_again_has_no_copy() {
        let body = Full::<Bytes>::from("stream").boxed_unsync();
        assert!(of(&Request::new(body)).is_none());
    }
}
