//! Tower layers as reqwest middleware.

mod error;
mod next;
mod stack;

use std::fmt;

use http::{Extensions, Request};
use reqwest_middleware::{Middleware, Next, Result};
use tower_layer::Layer;

pub use self::error::LayerError;
pub use self::next::NextService;
pub use self::stack::LayeredService;
use self::stack::sealed::Stack as _;
use crate::{Body, body, response};

/// Tower layers that run as a `reqwest_middleware::Middleware`.
///
/// The layers wrap a [`NextService`], a Tower service that borrows the rest of the middleware chain: no channel, no
/// task. It is made anew for each request, and so are the services of the layers, so all that must last (a window, a
/// token, a budget) has to live in the *layer*, as it does in those of this workspace.
///
/// # Which layers fit
///
/// - `L: Layer<NextService<'a>>` for every lifetime `'a`: no layer may ask `'static` of the service that it wraps;
/// - the service that they make is `Send`, takes an `http::Request<`[`Body`](crate::Body)`>` and answers with an
///   `http::Response<B>`, for some [`http_body::Body`] `B` of bytes that is `Send + 'static`;
/// - its future is `Send`, and its error converts into a boxed error.
///
/// [`LayeredService`] is the last two of these. Where the compiler says that an *implementation is not general enough*
/// for [`NextService`], some layer asks `'static` of what it wraps, as those do that hand it to a task or keep it in a
/// `'static` box (tower's `BufferLayer` and `BoxService`). Layers that keep their state in the service that they make
/// (tower's `RateLimitLayer`) compile, and start anew with each request.
///
/// # Extensions
///
/// What the caller puts in with `with_extension` (a `ClassOverride`, for instance) is in the extensions of the request
/// that the layers see, and goes on to the middleware below together with the `CallContext`. What middleware below adds
/// comes back to the caller; what the layers add to a *request* ends with the call, and what they add to a *response*
/// (`Renewed`) is in [`reqwest::Response::extensions`].
///
/// # Timeouts
///
/// A timeout, the request's or the client's, bounds one attempt from its departure to the end of its response's body.
/// For the whole call, with all attempts and waits, there is the deadline of the `CallContext`.
///
/// # The client below
///
/// Build it by way of [`send_once`](crate::send_once), and attach other middleware that repeats or redirects *before*
/// this one. A client that follows redirects on its own sends requests that no limit has counted, and takes a key in a
/// header other than `Authorization` along to any host.
///
/// It also spoils what an error proves: a first server had the request before a second one could not be reached, and
/// neither the error nor its URL shows that. So by default no error is proof here that a request never left, or was not
/// processed: places stay taken, and a POST is not sent again. Where the client does send once, say so with
/// [`sends_once`](Self::sends_once).
///
/// # Errors
///
/// An error of the client or of middleware below comes out as it was. An error of a layer comes out as
/// `Error::Middleware` around a [`LayerError`], with the layer's error in the chain of sources: `NeverLeft::find` reads
/// it.
///
/// # Cancellation
///
/// Dropping the future drops the stack's future with everything in it.
///
/// ```
/// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use reqwest_layer::{LayerMiddleware, send_once};
/// use tollgate::{MINUTE, Quota, Stack};
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
/// let client = send_once(reqwest::Client::builder().no_proxy()).build()?;
/// let client = reqwest_middleware::ClientBuilder::new(client)
///     .with(LayerMiddleware::new(stack).sends_once())
///     .build();
///
/// let response = client.get(format!("{origin}/greeting")).send().await?;
/// assert_eq!(response.url().path(), "/greeting");
/// assert_eq!(response.text().await?, "hello");
/// # Ok::<(), call_context::BoxError>(())
/// # })?;
/// # Ok::<(), call_context::BoxError>(())
/// ```
///
/// A layer that asks `'static` of what it wraps does not compile:
///
/// ```compile_fail
/// use reqwest_layer::LayerMiddleware;
/// use tower::Layer;
///
/// struct Boxing;
/// impl<S: Send + 'static> Layer<S> for Boxing {
///     type Service = S;
///     fn layer(&self, inner: S) -> S {
///         inner
///     }
/// }
/// let middleware = LayerMiddleware::new(Boxing);
/// ```
#[derive(Clone)]
pub struct LayerMiddleware<L> {
    layer: L,
    sends_once: bool,
}

impl<L> LayerMiddleware<L>
where
    L: for<'a> Layer<NextService<'a>>,
    for<'a> <L as Layer<NextService<'a>>>::Service: LayeredService,
{
    /// Runs `layer` over the rest of the chain.
    pub fn new(layer: L) -> Self {
        Self {
            layer,
            sends_once: false,
        }
    }

    /// Declares that what is below sends each request once, and to the server that it names.
    ///
    /// True of a client built by way of [`send_once`](crate::send_once), with no middleware in between that repeats or
    /// redirects. The layers then believe an error that proves that a request never left, or was never processed: a
    /// POST whose connection could not be made is sent again, and its place in a rate limit is free at once.
    #[must_use]
    pub fn sends_once(mut self) -> Self {
        self.sends_once = true;
        self
    }
}

#[async_trait::async_trait]
impl<L> Middleware for LayerMiddleware<L>
where
    L: for<'a> Layer<NextService<'a>> + Send + Sync + 'static,
    for<'a> <L as Layer<NextService<'a>>>::Service: LayeredService,
{
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<reqwest::Response> {
        let url = request.url().clone();
        let mut request: Request<Body> =
            Request::<reqwest::Body>::try_from(request)?.map(body::from_reqwest);
        request.extensions_mut().extend(extensions.clone());

        let below = NextService::new(next, extensions.clone(), self.sends_once);
        let handed_back = below.handed_back();
        let outcome = self.layer.layer(below).send(request).await;
        if let Some(handed_back) = handed_back.take() {
            *extensions = handed_back;
        }
        match outcome {
            Ok(response) => Ok(response::into_reqwest(response, url)),
            Err(error) => Err(error::into_middleware(error)),
        }
    }
}

impl<L> fmt::Debug for LayerMiddleware<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerMiddleware")
            .field("sends_once", &self.sends_once)
            .finish_non_exhaustive()
    }
}
