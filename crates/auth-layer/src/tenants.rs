//! A token for each tenant: slots that are made when a tenant is first met.

mod known;
mod table;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, HeaderMap};

pub(crate) use self::known::Full;
pub(crate) use self::table::Table;

use crate::Source;

/// How many tenants there are at the most, unless another number is given.
const MOST: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// How long a tenant is kept that sends nothing, unless another time is given.
const IDLE: Duration = Duration::from_secs(3600);

/// Whom a request is sent for: an extension that the caller inserts, and the name of that tenant's credential.
///
/// The name appears in errors, events and logs, so it is to be an identifier and no secret.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S: AsRef<str>> From<S> for Tenant {
    fn from(name: S) -> Self {
        Self(Arc::from(name.as_ref()))
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tenant({})", self.0)
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

type TenantFn = dyn Fn(&HeaderMap, &Extensions) -> Option<Tenant> + Send + Sync;
type SourceMaker = dyn Fn(&Tenant) -> Box<dyn Source> + Send + Sync;

/// What makes the tokens of a [`Slot::tenants`](crate::Slot::tenants), and how many are kept.
///
/// Each tenant has a [`TokenSlot`](crate::TokenSlot) of its own, with a life, a backoff and counts of its own. Its name is the
/// slot's and the tenant's, as in `customers/acme`, and that is also the slot in the call's context: a rate layer that keys on the slot
/// gives each tenant its own window.
///
/// ```
/// use auth_layer::{Auth, Grant, Slot, Tenant, Tenants, source_fn};
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let tenants = Tenants::new(|tenant: &Tenant| {
///     let token = format!("token-of-{tenant}");
///     source_fn(move |_| {
///         let token = token.clone();
///         async { Ok(Grant::new(token).expires_in(3600)) }
///     })
/// });
/// let slot = Slot::tenants("customers", tenants).origin("https://api.example.com".parse()?);
/// let api = service_fn(|request: Request<String>| async move {
///     assert_eq!(request.headers()["authorization"], "Bearer token-of-acme");
///     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
/// });
/// let client = ServiceBuilder::new().layer(Auth::single(slot)?.layer()).service(api);
/// let request = Request::get("https://api.example.com/a")
///     .extension(Tenant::from("acme"))
///     .body(String::new())?;
/// client.oneshot(request).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Bounds
///
/// There are [`most`](Self::most) tenants, 10 000 by default. A tenant is forgotten when nothing was sent for it for as long as
/// [`idle`](Self::idle) says, an hour by default, or when its room is needed for another one. It is never forgotten while a
/// fetch runs for it, a call of it is under way, a handle on it is kept, its last fetch has failed and the pause is not over,
/// it is [logged out](crate::TokenSlot::log_out) and was used within the idle time, or it holds a refresh token that nobody else has: see
/// [`Source::can_be_forgotten`](crate::Source::can_be_forgotten). Where none of the tenants that were looked at can be forgotten, a
/// request for a new one is refused ([`Reason::TooManyTenants`](crate::Reason::TooManyTenants)).
///
/// Nothing runs by itself: a few tenants are looked at whenever a new one is met.
#[derive(Clone)]
pub struct Tenants {
    pub(crate) tenant: Arc<TenantFn>,
    pub(crate) source: Arc<SourceMaker>,
    pub(crate) most: NonZeroUsize,
    pub(crate) idle: Duration,
}

impl Tenants {
    /// Makes a source for each tenant when it is first met; a request's tenant is its [`Tenant`] extension.
    ///
    /// `source` is called in the request's own task: it is to make a source, and neither to fetch nor to wait. Of two that are made for
    /// one tenant at once, one is dropped unused. A panic of it is the request's own, and changes nothing for others.
    ///
    /// Where a source goes [`through`](Source::through) the same [`Auth`](crate::Auth), that is not looked at when the `Auth` is built,
    /// before any source is made: a fetch that waits for itself is refused when it meets its own gate.
    pub fn new<S: Source>(source: impl Fn(&Tenant) -> S + Send + Sync + 'static) -> Self {
        Self {
            tenant: Arc::new(|_, extensions| extensions.get::<Tenant>().cloned()),
            source: Arc::new(move |tenant| Box::new(source(tenant))),
            most: MOST,
            idle: IDLE,
        }
    }

    /// Reads a request's tenant by `tenant` instead. It is asked at the gate and again at the attacher, and must say the
    /// same.
    #[must_use]
    pub fn tenant_by(
        mut self,
        tenant: impl Fn(&HeaderMap, &Extensions) -> Option<Tenant> + Send + Sync + 'static,
    ) -> Self {
        self.tenant = Arc::new(tenant);
        self
    }

    /// Keeps so many tenants at the most.
    #[must_use]
    pub fn most(mut self, most: NonZeroUsize) -> Self {
        self.most = most;
        self
    }

    /// Keeps a tenant for which nothing is sent for this long.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants")
            .field("most", &self.most)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}
