//! reqwest as a Tower service over `http` types.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use call_context::{BoxError, NeverLeft, Refusal};
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::{response, url};

/// Makes the clients of `builder` send each request once, and to the server that it names.
///
/// Switches off what would send a request again or elsewhere below the layers, where no limit counts it and no
/// credential is checked: redirects (up to ten, by default) and reqwest's own retries (which repeat a POST that an
/// HTTP/2 server says it has refused).
///
/// The rest of the builder is left alone. What to think of there:
///
/// - *Proxies.* Environment variables such as `HTTPS_PROXY` are obeyed unless
///   [`no_proxy`](reqwest::ClientBuilder::no_proxy) is called. A proxy sees plain-http requests whole, credential and
///   all, and may repeat them.
/// - *`resolve`, `dns_resolver`, `unix_socket`, `connector_layer`* lead elsewhere than the URL says, by intention.
/// - *`default_headers`* fill in what a request lacks: a credential there also goes out on requests that are
///   deliberately bare. A `Host` there does nothing: [`Reqwest`] and [`LayerMiddleware`](crate::LayerMiddleware) write
///   one that says what the URL says.
/// - *`cookie_store`, `cookie_provider`* add a credential that no layer knows of.
/// - *`tls_early_data`* (HTTP/3) sends requests that an attacker on the way can replay.
///
/// What cannot be switched off does no harm: on a pooled connection that turns out closed *before* the request is
/// written, the client takes another one; and of several addresses of a name, the first that answers is used.
///
/// ```
/// let client = reqwest_layer::send_once(reqwest::Client::builder().user_agent("example/1.0")).build()?;
/// # Ok::<(), reqwest::Error>(())
/// ```
pub fn send_once(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
}

/// A Tower service that sends `http` requests through reqwest.
///
/// Path and query go on the wire byte for byte as they stand in the request's URI, or the request is refused with a
/// [`UrlError`](crate::UrlError). A timeout in the request's extensions is kept (it is there when the request was once
/// reqwest's), and so are its version and other extensions; the response keeps its URL, so that
/// [`into_response`](crate::into_response) gives it back.
///
/// Always ready. Cloning costs a reference count, and clones share one pool of connections. Takes any body of bytes;
/// one that a retry layer is to send again is best a `Full<Bytes>` or a [`Body`](crate::Body).
///
/// A timeout, the request's or the client's, bounds one attempt from its departure to the end of its response's body.
/// For the whole call, with all attempts and waits, there is the deadline of the
/// [`CallContext`](call_context::CallContext).
///
/// # Errors
///
/// A [`UrlError`](crate::UrlError), or reqwest's own error without its URL, whose query might hold a secret. An error
/// that reqwest raises before it does anything is marked [`NeverLeft`], permanently; a failed attempt to connect is
/// recognised by [`NeverLeft::find`], which here is right to believe it: nothing was sent elsewhere first.
///
/// # Panics
///
/// Outside of a tokio runtime, as reqwest does.
///
/// # Cancellation
///
/// Dropping the future gives the request up; the server may have seen it.
///
/// ```
/// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use reqwest_layer::{Reqwest, into_response};
/// use tollgate::{MINUTE, Quota, Stack};
/// use tower::{Layer, ServiceExt};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let origin = format!("http://{}", listener.local_addr()?);
/// # tokio::spawn(async move {
/// #     let (mut socket, _) = listener.accept().await?;
/// #     let mut seen = [0; 1024];
/// #     socket.read(&mut seen).await?;
/// #     socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await
/// # });
/// // Any layers will do; these put a key on each request and keep to 100 requests a minute.
/// let stack = Stack::new(origin.parse()?)
///     .key("sk_live_1")
///     .limit(Quota::rolling(100, MINUTE))
///     .build()?;
/// let client = stack.layer(Reqwest::new(reqwest::Client::builder().no_proxy())?);
///
/// let request = http::Request::get(format!("{origin}/greeting")).body(Full::<Bytes>::default())?;
/// let response = client.oneshot(request).await?;
///
/// let response = into_response(response);
/// assert_eq!(response.url().path(), "/greeting");
/// assert_eq!(response.text().await?, "hello");
/// # Ok::<(), call_context::BoxError>(())
/// # })?;
/// # Ok::<(), call_context::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reqwest {
    client: reqwest::Client,
}

impl Reqwest {
    /// Builds the client, with [`send_once`] applied.
    ///
    /// # Errors
    ///
    /// Those of [`reqwest::ClientBuilder::build`].
    pub fn new(builder: reqwest::ClientBuilder) -> reqwest::Result<Self> {
        let client = send_once(builder).build()?;
        Ok(Self { client })
    }
}

impl<B> Service<Request<B>> for Reqwest
where
    B: HttpBody + Send + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<reqwest::Body>;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        ResponseFuture(match url::into_reqwest(request) {
            Ok(request) => State::Sent(self.client.call(request)),
            Err(error) => State::Refused(Some(error)),
        })
    }
}

/// The future of [`Reqwest`].
#[must_use = "futures do nothing unless they are polled"]
pub struct ResponseFuture(State);

enum State {
    Refused(Option<BoxError>),
    Sent(<reqwest::Client as Service<reqwest::Request>>::Future),
}

impl Future for ResponseFuture {
    type Output = Result<Response<reqwest::Body>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match &mut self.0 {
            State::Refused(error) => Err(error
                .take()
                .unwrap_or_else(|| "polled after it was done".into())),
            State::Sent(pending) => match ready!(Pin::new(pending).poll(cx)) {
                Ok(response) => Ok(response::from_reqwest(response)),
                Err(error) => Err(marked(error)),
            },
        })
    }
}

/// With redirects off, reqwest's own builder errors (a scheme that is not allowed) come before anything is sent.
fn marked(error: reqwest::Error) -> BoxError {
    let error = error.without_url();
    if error.is_builder() {
        NeverLeft::wrap(Refusal::Permanent, error).into()
    } else {
        error.into()
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
