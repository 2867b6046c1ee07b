//! Where a renewing token comes from.

mod env;
mod error;
mod file;
mod log_out;
#[cfg(feature = "oauth2")]
pub mod oauth;

use std::fmt;
use std::pin::Pin;

use call_context::SlotName;

pub use self::env::{EnvSource, source_env};
pub use self::error::SourceError;
pub use self::file::{FileSource, source_file};
pub(crate) use self::log_out::begin_log_out;
pub use self::log_out::{EndedTokens, LogOut, LogOutFuture};
use crate::events::Teller;
use crate::{Grant, Secret};

/// The future that a [`Source`] returns.
pub type GrantFuture<'a> = Pin<Box<dyn Future<Output = Result<Grant, SourceError>> + Send + 'a>>;

/// Where a slot's tokens come from.
///
/// A source names its own client: a bare one, or the same stack under *another* slot ([`Source::through`]). Most sources
/// are functions: see [`source_fn`]. Others are here: [`source_env`], [`source_file`], and with the feature `oauth2` the
/// module `oauth`.
///
/// A source whose request meets the gate of its own slot is refused there ([`Reason::OwnFetch`](crate::Reason::OwnFetch)),
/// as long as it is the fetch's own task that meets it. A task in between hides that, be it one that the source spawns or the
/// worker of a `tower::buffer::Buffer` above the gate: then the fetch waits for itself, until its time is up.
///
/// # Cancellation
///
/// `fetch` runs in a task of its own, once at a time for each slot. No caller's cancellation reaches it; it is dropped
/// when its time is up ([`Slot::fetch_timeout`](crate::Slot::fetch_timeout)) or its runtime shuts down. Where the
/// runtime stops being driven, another fetch may start on another runtime while this one is frozen. If it ends after the newer
/// one, its token is dropped. Its refresh token is kept where the newer one has brought no other, since the server has replaced the
/// old one by it (RFC 6749, section 6); otherwise it is dropped too, with a warning. Both have spent the same refresh token, which a server
/// that rotates may take for theft (RFC 9700, section 4.14.2): behind a [store](crate::store) the second one waits for the first.
pub trait Source: Send + Sync + 'static {
    /// Fetches a new token.
    fn fetch(&self, fetch: Fetch) -> GrantFuture<'_>;

    /// Forgets what the source itself keeps, and gives tokens back at the server, where it takes them back (RFC 7009). By default
    /// there is nothing to do.
    ///
    /// Called at the moment when the slot is [logged out](crate::TokenSlot::log_out), by the one who logs out: what the source keeps by
    /// then is the login's that ends, and what it is handed afterwards is the next one's. So the call itself takes what there is, without
    /// waiting and without a runtime; the future that it returns gives it back, in a task of its own, and [learns](LogOut::tokens) there which
    /// tokens the slot had. It may run beside a fetch that was under way: what that one brings is given back in the same way.
    ///
    /// ```
    /// use auth_layer::{Fetch, GrantFuture, LogOut, LogOutFuture, Secret, Source, SourceError};
    ///
    /// # #[derive(Clone)]
    /// # struct Client;
    /// # impl Client {
    /// #     async fn revoke(&self, _: &Secret) -> Result<(), std::io::Error> { Ok(()) }
    /// # }
    /// struct Vault {
    ///     client: Client,
    /// }
    ///
    /// impl Source for Vault {
    ///     fn fetch(&self, _: Fetch) -> GrantFuture<'_> {
    ///         Box::pin(async { Err(SourceError::temporary("ask the vault here")) })
    ///     }
    ///
    ///     fn log_out(&self, log_out: LogOut) -> LogOutFuture {
    ///         let client = self.client.clone();
    ///         Box::pin(async move {
    ///             match log_out.tokens().await.token {
    ///                 Some(token) => client.revoke(&token).await.map_err(SourceError::temporary),
    ///                 None => Ok(()),
    ///             }
    ///         })
    ///     }
    /// }
    /// ```
    fn log_out(&self, log_out: LogOut) -> LogOutFuture {
        drop(log_out);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether nothing is lost when the slot and this source are dropped; `slot_has_refresh_token` says what the slot itself holds.
    ///
    /// Asked where a [tenant](crate::Tenants) is to be forgotten, by a request that needs its room: it is to answer at once. By default a refresh
    /// token that the slot holds would be lost, and nothing else.
    fn can_be_forgotten(&self, slot_has_refresh_token: bool) -> bool {
        !slot_has_refresh_token
    }

    /// The slot under which the source's own requests go through the same [`Auth`](crate::Auth), if they do.
    ///
    /// Such a source holds the stack, and the stack holds the source: both stay in memory until the program ends.
    /// Declared, a source that would wait for itself is an error when the `Auth` is built, and a fetch has time to wait for
    /// a place in the stack's rate limit: by default 150 s instead of 10 s, and requests wait 180 s for it instead of 30 s
    /// ([`Slot::fetch_timeout`](crate::Slot::fetch_timeout), [`Slot::wait`](crate::Slot::wait)).
    ///
    /// The source needs the client, and the client the source. So the source is given a place where the client will be:
    ///
    /// ```
    /// use std::sync::{Arc, OnceLock};
    ///
    /// use auth_layer::{Auth, Grant, Slot, SourceError, source_fn};
    /// use call_context::{BoxError, Route, Routes};
    /// use http::{Method, Request, Response, header::AUTHORIZATION};
    /// use tower::util::BoxCloneSyncService;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// type Client = BoxCloneSyncService<Request<String>, Response<String>, BoxError>;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let place = Arc::new(OnceLock::<Client>::new());
    /// let source = source_fn({
    ///     let place = Arc::clone(&place);
    ///     move |_| {
    ///         let client = place.get().cloned();
    ///         async move {
    ///             let client = client.ok_or_else(|| SourceError::temporary("the client is not built yet"))?;
    ///             // Its route has the business key: it waits for no token, and so not for itself.
    ///             let ask = Request::post("https://api.example.com/token").body(String::new());
    ///             let answer = client.oneshot(ask.map_err(SourceError::permanent)?).await;
    ///             let answer = answer.map_err(SourceError::temporary)?;
    ///             if !answer.status().is_success() {
    ///                 return Err(SourceError::temporary(format!("the server said {}", answer.status())));
    ///             }
    ///             Ok(Grant::new(answer.into_body()).expires_in(900))
    ///         }
    ///     }
    /// });
    /// let routes = Routes::new([
    ///     Route::new(Method::POST, "/token", "token"),
    ///     Route::new(Method::POST, "/trades", "trade"),
    /// ])?;
    /// let auth = Auth::builder()
    ///     .origin("https://api.example.com".parse()?)
    ///     .slot(Slot::key("business", "k1"))
    ///     .slot(Slot::token("wallet", source.through("business")))
    ///     .routes(routes)
    ///     .class("token", "business")
    ///     .class("trade", "wallet")
    ///     .build()?;
    ///
    /// // Gives a token for the business key, and says elsewhere what a request carries.
    /// let api = service_fn(|request: Request<String>| async move {
    ///     let carried = request.headers()[AUTHORIZATION].to_str().map(str::to_owned)?;
    ///     Ok::<_, BoxError>(Response::new(match request.uri().path() {
    ///         "/token" if carried == "Bearer k1" => "a.b.c".to_owned(),
    ///         _ => carried,
    ///     }))
    /// });
    /// // A whole stack, its rate limit included, goes in the same way.
    /// let client = Client::new(auth.layer().layer(api));
    /// place.set(client.clone()).map_err(|_| "it is set once")?;
    ///
    /// let trade = Request::post("https://api.example.com/trades").body(String::new())?;
    /// assert_eq!(client.oneshot(trade).await?.into_body(), "Bearer a.b.c");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// No such place is needed where the source has a client of its own, with an `Auth` of that other slot alone, over clones of the same
    /// windows. Then nothing is declared here, and a fetch that may wait for a place needs the longer times by hand.
    fn through(&self) -> Option<SlotName> {
        None
    }
}

/// What a source is told about the fetch that it is to make.
#[derive(Clone)]
#[non_exhaustive]
pub struct Fetch {
    pub(crate) slot: SlotName,
    pub(crate) refresh_token: Option<Secret>,
    pub(crate) teller: Teller,
}

impl Fetch {
    /// The slot that the token is for.
    pub fn slot(&self) -> &SlotName {
        &self.slot
    }

    /// The newest refresh token that came with a grant, if any did.
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.refresh_token.as_ref()
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

/// A source made of a function.
///
/// ```
/// use auth_layer::{Grant, SourceError, source_fn};
///
/// # async fn ask_the_vault() -> Result<(String, u64), std::io::Error> { Ok((String::new(), 60)) }
/// let source = source_fn(|_| async {
///     let (token, seconds) = ask_the_vault().await.map_err(SourceError::temporary)?;
///     Ok(Grant::new(token).expires_in(seconds))
/// });
/// ```
pub fn source_fn<F, T>(function: F) -> SourceFn<F>
where
    F: Fn(Fetch) -> T + Send + Sync + 'static,
    T: Future<Output = Result<Grant, SourceError>> + Send + 'static,
{
    SourceFn {
        function,
        through: None,
    }
}

/// The source that [`source_fn`] makes.
#[derive(Clone)]
pub struct SourceFn<F> {
    function: F,
    through: Option<SlotName>,
}

impl<F> SourceFn<F> {
    /// Declares that the function's requests go through the same [`Auth`](crate::Auth), under `slot`. Gives a fetch time to
    /// wait for a place in the stack's rate limit: see [`Source::through`], also for an example.
    #[must_use]
    pub fn through(mut self, slot: impl Into<SlotName>) -> Self {
        self.through = Some(slot.into());
        self
    }
}

impl<F, T> Source for SourceFn<F>
where
    F: Fn(Fetch) -> T + Send + Sync + 'static,
    T: Future<Output = Result<Grant, SourceError>> + Send + 'static,
{
    fn fetch(&self, fetch: Fetch) -> GrantFuture<'_> {
        Box::pin((self.function)(fetch))
    }

    fn through(&self) -> Option<SlotName> {
        self.through.clone()
    }
}

impl<F> fmt::Debug for SourceFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceFn")
            .field("through", &self.through)
            .finish_non_exhaustive()
    }
}
