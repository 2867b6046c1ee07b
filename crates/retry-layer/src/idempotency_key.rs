//! A layer that gives each call an idempotency key.

mod error;
mod header;
mod mint;
mod service;

use std::fmt;
use std::sync::Arc;

use call_context::{Class, Routes};
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request};
use tower_layer::Layer;

pub use self::error::IdempotencyKeyError;
pub(crate) use self::header::{IDEMPOTENCY_KEY, KeyHeader};
use self::mint::Mint;
pub use self::service::{IdempotencyKey, IdempotencyKeyFuture};
use crate::settings::is_idempotent;

/// A layer that puts one idempotency key on each call, so that all attempts at it carry the same.
///
/// Belongs above the [`RetryLayer`](crate::RetryLayer), which copies the key with the request and never changes it. Below it a
/// call would have another key in each attempt, and look to the server like several: such calls are
/// [refused](IdempotencyKeyError). A key that the caller has set is left as it is, whatever it is.
///
/// A key proves nothing by itself. It makes a request repeatable only at origins that are [known to honour
/// it](crate::RetryLayer::keys_honoured_by), and, where classes are named, [on their routes](crate::RetryLayer::keyed_class):
/// servers that know nothing of the header ignore it, and execute the request as often as it comes.
///
/// One call is what passes here once. A caller who repeats a call on its own account, after an error or a restart, gets a new
/// key for it, and must set one of its own, and keep it, to be recognised.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use retry_layer::{IdempotencyKeyLayer, RetryLayer};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), BoxError> {
/// // Executes what it has not seen yet, and says 503 until it has answered a key twice.
/// let seen = std::sync::Mutex::new(Vec::new());
/// let server = service_fn(async |request: Request<Full<Bytes>>| {
///     let mut seen = seen.lock().map_err(|_| "poisoned")?;
///     seen.push(request.headers()["idempotency-key"].clone());
///     let status = if seen.len() < 3 { 503 } else { 200 };
///     Ok::<_, BoxError>(Response::builder().status(status).body(Full::<Bytes>::default())?)
/// });
/// let client = ServiceBuilder::new()
///     .layer(IdempotencyKeyLayer::new())
///     .layer(RetryLayer::new().keys_honoured_by(["https://api.example.com".parse()?]))
///     .service(server);
///
/// let trade = Request::post("https://api.example.com/execute/trades").body(Full::from("42"))?;
/// assert_eq!(client.oneshot(trade).await?.status(), 200);
/// let seen = seen.lock().map_err(|_| "poisoned")?;
/// assert!(seen.len() == 3 && seen.iter().all(|key| *key == seen[0]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct IdempotencyKeyLayer {
    settings: Arc<Settings>,
}

#[derive(Clone)]
struct Settings {
    header: HeaderName,
    routes: Option<Arc<Routes>>,
    /// Whose requests get a key; empty for all that are not idempotent by their method.
    classes: Vec<Class>,
    mint: Mint,
}

impl Settings {
    /// Whether a request of this method and class is to have a key.
    fn wants(&self, method: &Method, class: Option<&Class>) -> bool {
        if self.classes.is_empty() {
            return !is_idempotent(method);
        }
        class.is_some_and(|class| self.classes.contains(class))
    }

    /// The class of `request`, which is only looked at where it matters.
    fn class<B>(&self, request: &mut Request<B>) -> Option<Class> {
        if self.classes.is_empty() {
            return None;
        }
        match &self.routes {
            // An ambiguous path has no class; refusing it is the business of the layer that holds the credentials.
            Some(routes) => routes.resolve(request).unwrap_or_default(),
            None => call_context::CallContext::get(request.extensions())?
                .class()
                .cloned(),
        }
    }
}

impl Default for IdempotencyKeyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl IdempotencyKeyLayer {
    /// A layer that gives a random UUID, in `idempotency-key`, to each request that is not idempotent by its method.
    ///
    /// Not idempotent are POST, PATCH and all that RFC 9110, section 9.2.2, does not name.
    pub fn new() -> Self {
        Self {
            settings: Arc::new(Settings {
                header: IDEMPOTENCY_KEY.clone(),
                routes: None,
                classes: Vec::new(),
                mint: Mint::default(),
            }),
        }
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }

    /// The header that carries the key.
    ///
    /// To be named here alone: a [`RetryLayer`](crate::RetryLayer) below that was told of no header goes by this one. One that was
    /// told of [another](crate::RetryLayer::idempotency_header) refuses calls with
    /// [`IdempotencyHeaderMismatch`](crate::IdempotencyHeaderMismatch).
    #[must_use]
    pub fn header(self, name: HeaderName) -> Self {
        self.with(|settings| settings.header = name)
    }

    /// The header that carries the key.
    pub fn header_name(&self) -> &HeaderName {
        &self.settings.header
    }

    /// Gives keys to requests of `class`, whatever their method, and of the other classes named so, alone.
    ///
    /// The class is the one in the call's [`CallContext`](call_context::CallContext), or by the [routes](Self::routes).
    /// Above a `tollgate::Stack` no class is known yet: give the layer to the stack (`StackBuilder::idempotency_keys`), or give it
    /// the same routes.
    #[must_use]
    pub fn class(self, class: impl Into<Class>) -> Self {
        self.with(|settings| settings.classes.push(class.into()))
    }

    /// The classes that [`class`](Self::class) has named; none where requests get keys by their method.
    ///
    /// ```
    /// use retry_layer::IdempotencyKeyLayer;
    ///
    /// let layer = IdempotencyKeyLayer::new().class("execute");
    /// assert!(layer.classes().map(|class| class.as_str()).eq(["execute"]));
    /// ```
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        self.settings.classes.iter()
    }

    /// Classifies requests with `routes`, where [classes](Self::class) are named, and notes the class in the call's context.
    #[must_use]
    pub fn routes(self, routes: impl Into<Arc<Routes>>) -> Self {
        self.with(|settings| settings.routes = Some(routes.into()))
    }

    /// Writes the UUID in quotes, as a String of RFC 9651, section 3.3.3.
    ///
    /// That is what the IETF's draft of the header (draft-ietf-httpapi-idempotency-key-header-07, section 2.1) asks for. Most
    /// servers take a key as it comes, and so it has no quotes by default. Replaces a [generator](Self::generator).
    #[must_use]
    pub fn quoted(self) -> Self {
        self.with(|settings| settings.mint = Mint::Uuid { quoted: true })
    }

    /// Takes keys from `generator`, which is called once for each call that needs one.
    ///
    /// No two calls may ever get the same key, from no process: the server would take the second for the first one again.
    #[must_use]
    pub fn generator(self, generator: impl Fn() -> HeaderValue + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.mint = Mint::Custom(Arc::new(generator)))
    }
}

impl<S> Layer<S> for IdempotencyKeyLayer {
    type Service = IdempotencyKey<S>;

    fn layer(&self, inner: S) -> IdempotencyKey<S> {
        IdempotencyKey::new(inner, Arc::clone(&self.settings))
    }
}

impl fmt::Debug for IdempotencyKeyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyKeyLayer")
            .field("header", &self.settings.header)
            .field("classes", &self.settings.classes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_are_not_idempotent_want_a_key_unless_classes_are_named() {
        let layer = IdempotencyKeyLayer::new();
        let named = layer.clone().class("execute");
        let (execute, read) = (Class::from("execute"), Class::from("read"));
        for (method, wants) in [
            (Method::POST, true),
            (Method::PATCH, true),
            (Method::from_bytes(b"BUY").expect("a method"), true),
            (Method::GET, false),
            (Method::HEAD, false),
            (Method::OPTIONS, false),
            (Method::TRACE, false),
            (Method::PUT, false),
            (Method::DELETE, false),
        ] {
            assert_eq!(layer.settings.wants(&method, None), wants, "{method}");
            assert_eq!(layer.settings.wants(&method, Some(&read)), wants);
            assert!(!named.settings.wants(&method, None));
            assert!(!named.settings.wants(&method, Some(&read)));
            assert!(named.settings.wants(&method, Some(&execute)));
        }
    }
}
