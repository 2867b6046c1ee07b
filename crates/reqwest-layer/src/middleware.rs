//! Tower layers as reqwest middleware.

mod client;
mod error;
mod next;
mod redirect;
mod remarks;
mod stack;

use std::fmt;

use http::{Extensions, Request};
use reqwest_middleware::{Middleware, Next, Result};
use tower_layer::Layer;

pub use self::client::client;
pub use self::error::LayerError;
pub use self::next::NextService;
use self::redirect::Followed;
pub use self::redirect::RedirectError;
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
/// It must send each request once, and to the server that it names. [`client`](crate::client) builds one, with the layers
/// in it; where other middleware is wanted too, [`over_send_once`](Self::over_send_once) is the form that relies on
/// yours. A middleware cannot see the client's settings, and no setting of a single request keeps reqwest from following
/// a redirect: that is why there is no constructor for just any client.
///
/// # Errors
///
/// An error of the client or of middleware below comes out as it was, so that `is_timeout()` and its like answer, without what layers
/// have [remarked](call_context::Remarked) about it: a retry layer's `RetryInfo`, which says how many attempts there were, and
/// why no other. [`keep_remarks`](Self::keep_remarks) keeps it. An error of a layer comes out as
/// `Error::Middleware` around a [`LayerError`], with the layer's error, and all remarks about it, in the chain of sources:
/// `NeverLeft::find` and `RetryInfo::find` read it. Layers in another `LayerMiddleware` above see the remarks either way, as if there were no
/// boundary: a retry layer there keeps to the earlier deadline of one here. A response has its `RetryInfo` in [`reqwest::Response::extensions`].
///
/// # Streams
///
/// A body of bytes is sent again where a retry layer asks for that. A stream is sent once, unless it is put into a `ReplayBody`
/// above the retry layer, by a layer that maps requests:
///
/// ```
/// use http::Request;
/// use reqwest_layer::Body;
/// use tollgate::{ReplayBody, RetryLayer};
/// use tower::ServiceBuilder;
///
/// let layers = ServiceBuilder::new()
///     .map_request(|request: Request<Body>| request.map(ReplayBody::new))
///     .layer(RetryLayer::new())
///     .into_inner();
/// let client = reqwest_layer::client(reqwest::Client::builder(), layers)?;
/// # Ok::<(), reqwest::Error>(())
/// ```
///
/// An answer from another URL than the one that was called is a [`RedirectError`], and ends the use of the client below.
/// This is a second line, not the first: the first redirect has been followed by then, and one that leads back to where
/// it began, or to a server that does not answer, is not seen.
///
/// # Cancellation
///
/// Dropping the future drops the stack's future with everything in it.
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
/// let middleware = LayerMiddleware::over_send_once(Boxing);
/// ```
#[derive(Clone)]
pub struct LayerMiddleware<L> {
    layer: L,
    followed: Followed,
    keep_remarks: bool,
}

impl<L> LayerMiddleware<L>
where
    L: for<'a> Layer<NextService<'a>>,
    for<'a> <L as Layer<NextService<'a>>>::Service: LayeredService,
{
    /// Runs `layer` over the rest of the chain, which sends each request once: on your word.
    ///
    /// The client must have been built by way of [`send_once`](crate::send_once), and whatever other middleware repeats,
    /// redirects or rewrites requests must be attached *before* this one. Where that is not so,
    ///
    /// - a redirect takes the credential to whatever host it names, and
    /// - a failed connection is believed to prove that a request never left, though another server may have had it first:
    ///   a POST is sent twice, and its place in a rate limit is free too soon.
    ///
    /// With no other middleware, [`client`](crate::client) sees to it by itself.
    ///
    /// ```
    /// use reqwest_layer::{LayerMiddleware, send_once};
    /// # struct Logging;
    /// # #[async_trait::async_trait]
    /// # impl reqwest_middleware::Middleware for Logging {
    /// #     async fn handle(
    /// #         &self,
    /// #         request: reqwest::Request,
    /// #         extensions: &mut http::Extensions,
    /// #         next: reqwest_middleware::Next<'_>,
    /// #     ) -> reqwest_middleware::Result<reqwest::Response> {
    /// #         next.run(request, extensions).await
    /// #     }
    /// # }
    ///
    /// let stack = tollgate::Stack::new("https://api.example.com".parse()?)
    ///     .key("sk_live_1")
    ///     .build()?;
    /// let client = send_once(reqwest::Client::builder()).build()?;
    /// let client = reqwest_middleware::ClientBuilder::new(client)
    ///     .with(Logging)
    ///     .with(LayerMiddleware::over_send_once(stack))
    ///     .build();
    /// # Ok::<(), call_context::BoxError>(())
    /// ```
    pub fn over_send_once(layer: L) -> Self {
        Self {
            layer,
            followed: Followed::default(),
            keep_remarks: false,
        }
    }

    /// Keeps what layers have remarked about the client's own errors.
    ///
    /// Such an error comes out as `Error::Middleware` around a [`LayerError`] then, where `RetryInfo::find` finds what the retry layer
    /// has done, and [`call_context::find`] the `reqwest::Error`, without its URL. `Error::is_timeout()` and its like answer `false`
    /// for it: they look at `Error::Reqwest` alone. An error without a remark comes out as it was.
    ///
    /// ```
    /// use call_context::find;
    /// use reqwest_layer::{LayerMiddleware, send_once};
    /// use tollgate::{RetryInfo, RetryLayer};
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let client = send_once(reqwest::Client::builder().no_proxy()).build()?;
    /// let client = reqwest_middleware::ClientBuilder::new(client)
    ///     .with(LayerMiddleware::over_send_once(RetryLayer::new()).keep_remarks())
    ///     .build();
    /// // Nobody listens there.
    /// let error = client.get("http://127.0.0.1:1/").send().await.expect_err("no connection");
    /// assert_eq!(RetryInfo::find(&error).map(|info| info.attempts()), Some(3));
    /// assert!(find::<reqwest::Error>(&error).is_some_and(|error| error.is_connect()));
    /// # Ok::<(), call_context::BoxError>(())
    /// # })?;
    /// # Ok::<(), call_context::BoxError>(())
    /// ```
    #[must_use]
    pub fn keep_remarks(mut self) -> Self {
        self.keep_remarks = true;
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
        remarks::forget(extensions);
        let url = request.url().clone();
        let mut request: Request<Body> =
            Request::<reqwest::Body>::try_from(request)?.map(body::from_reqwest);
        request.extensions_mut().extend(extensions.clone());

        let below = NextService::new(next, extensions.clone(), self.followed.clone());
        let handed_back = below.handed_back();
        let outcome = self.layer.layer(below).send(request).await;
        if let Some(handed_back) = handed_back.take() {
            *extensions = handed_back;
        }
        match outcome {
            Ok(response) => Ok(response::into_reqwest(response, url)),
            Err(error) => Err(error::into_middleware(error, self.keep_remarks, extensions)),
        }
    }
}

impl<L> fmt::Debug for LayerMiddleware<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerMiddleware").finish_non_exhaustive()
    }
}
