//! Another credential for one request, or none.

use std::fmt;

use crate::Secret;

/// Replaces the slot's credential on one request: an extension that the caller inserts.
///
/// The request still takes its slot, is bound to the origins of it, and passes all checks; what goes on it, in the slot's
/// header, is this. Nothing is kept: the next request carries the slot's own credential again, and a 401 renews nothing.
/// A replay of the request carries it too. The gate waits for no token, so a slot whose source is down is no obstacle.
///
/// What the caller has put into a header itself is another question: see [`Slot::callers_own`](crate::Slot::callers_own). Where it is kept, it
/// stands in place of this one too, and beside [`nothing`](Self::nothing).
///
/// A [`Slot::none`](crate::Slot::none) that names no origin can take no secret: it would go anywhere. Where the request
/// [passes bare](crate::Elsewhere::PassBare), since it goes elsewhere, it carries no secret either.
///
/// ```
/// use auth_layer::{Auth, Override, Slot};
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let key = Slot::key("business", "sk_live_1").origin("https://api.example.com".parse()?);
/// let api = service_fn(|request: Request<String>| async move {
///     let seen = request.headers().get("authorization").map(|value| value.as_bytes().to_vec());
///     Ok::<_, std::convert::Infallible>(Response::new(seen))
/// });
/// let client = ServiceBuilder::new().layer(Auth::single(key)?.layer()).service(api);
///
/// let as_customer = Request::get("https://api.example.com/a")
///     .extension(Override::secret("sk_customer_7"))
///     .body(String::new())?;
/// let seen = client.clone().oneshot(as_customer).await?;
/// assert_eq!(seen.body().as_deref(), Some(&b"Bearer sk_customer_7"[..]));
///
/// let bare = Request::get("https://api.example.com/a")
///     .extension(Override::nothing())
///     .body(String::new())?;
/// assert_eq!(client.oneshot(bare).await?.into_body(), None);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A request whose secret cannot stand in a header, or has nowhere to go, is refused: [`Reason::Override`](crate::Reason::Override).
#[derive(Clone)]
pub struct Override {
    secret: Option<Secret>,
}

impl Override {
    /// This secret, placed as the slot's own would be.
    pub fn secret(secret: impl Into<Secret>) -> Self {
        let secret = Some(secret.into());
        Self { secret }
    }

    /// No credential of ours at all.
    #[must_use]
    pub fn nothing() -> Self {
        Self { secret: None }
    }

    pub(crate) fn get(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }
}

impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.secret {
            Some(_) => "Override(..)",
            None => "Override(nothing)",
        })
    }
}
