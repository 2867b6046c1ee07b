//! Slots, and which of them a request takes.

mod build;
mod choose;

use std::fmt;
use std::sync::Arc;

use call_context::{Class, Origin, Routes, SlotName};
use http::HeaderName;

pub use self::build::{AuthBuilder, BuildError};
pub(crate) use self::choose::{Load, has_override};
use crate::events::Hub;
use crate::secret::Scheme;
use crate::tenants::Table;
use crate::{AttachLayer, AuthLayer, CallersOwn, Events, GateLayer, KeySlot, Slot, TokenSlot};

/// The credentials of a client, and the rule by which requests take them.
///
/// Cloning costs a reference count; all clones, and all layers made from them, share one state.
///
/// ```
/// use auth_layer::{Auth, Grant, Slot, source_fn};
/// use call_context::{Origin, Route, Routes};
/// use http::Method;
/// use std::sync::Arc;
///
/// let origin: Origin = "https://api.example.com".parse()?;
/// let routes = Routes::new([
///     Route::new(Method::GET, "/capabilities", "public"),
///     Route::new(Method::GET, "/read/portfolio", "read"),
///     Route::new(Method::POST, "/execute/{*rest}", "execute"),
/// ])?;
/// let auth = Auth::builder()
///     .slot(Slot::none("nothing"))
///     .slot(Slot::key("business", "sk_live_1").origin(origin.clone()))
///     .slot(Slot::token("wallet", source_fn(|_| async { Ok(Grant::new("a.b.c")) })).origin(origin))
///     .routes(routes)
///     .class("public", "nothing")
///     .class("read", "business")
///     .class("execute", "wallet")
///     .build()?;
/// let (gate, attach) = (auth.gate(), auth.attach());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Auth {
    shared: Arc<Shared>,
}

struct Shared {
    slots: Vec<Bound>,
    /// The headers in which a caller may have put a credential: `Authorization`, and those that slots set.
    watched: Vec<HeaderName>,
    /// Those of them that are not `Authorization`.
    named: Vec<HeaderName>,
    rule: Rule,
    elsewhere: Elsewhere,
    hub: Arc<Hub>,
}

/// A slot as requests meet it.
pub(crate) struct Bound {
    pub(crate) name: SlotName,
    origins: Vec<Origin>,
    pub(crate) header: HeaderName,
    scheme: Scheme,
    callers_own: CallersOwn,
    pub(crate) credential: Credential,
}

pub(crate) enum Credential {
    Nothing,
    Key(KeySlot),
    Token(TokenSlot),
    Tenants(Box<Table>),
}

enum Rule {
    /// Every request takes the only slot.
    Single,
    /// The class of a request's route names the slot, by its place in the list.
    Routed {
        routes: Arc<Routes>,
        slots: Vec<(Class, usize)>,
    },
}

/// What happens to a request that goes elsewhere than to its slot's origins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Elsewhere {
    /// The request is refused.
    #[default]
    Refuse,
    /// The request passes without any credential of ours, and without a slot in its context. One that goes to an origin
    /// of no slot is not classified either. A caller's own header is still treated as its slot says; an `Authorization` that
    /// no slot sets, as the strictest of the slots says.
    ///
    /// The request counts as untouched: another [`Auth`] further in, with names of its own for its slots, may put its
    /// credential on. What another one further out has put on passes as it is.
    PassBare,
}

impl Auth {
    /// One slot that every request takes, whatever its route.
    ///
    /// # Errors
    ///
    /// As [`AuthBuilder::build`].
    pub fn single(slot: Slot) -> Result<Self, BuildError> {
        Self::builder().slot(slot).build()
    }

    /// Begins a table of slots.
    pub fn builder() -> AuthBuilder {
        AuthBuilder::default()
    }

    /// The outer half: waits for a usable token. Belongs below a retry layer and above a rate layer.
    pub fn gate(&self) -> GateLayer {
        GateLayer::new(self.clone())
    }

    /// The inner half: puts the credential on. Belongs next to the client, below everything that waits.
    pub fn attach(&self) -> AttachLayer {
        AttachLayer::new(self.clone())
    }

    /// Both halves in one, for stacks without a rate layer.
    pub fn layer(&self) -> AuthLayer {
        AuthLayer::new(self.clone())
    }

    /// The names of all slots.
    pub fn slots(&self) -> impl Iterator<Item = &SlotName> {
        self.shared.slots.iter().map(|slot| &slot.name)
    }

    /// The origins that the slots are bound to, one after the other; one that several slots are bound to comes several times.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.shared.slots.iter().flat_map(|slot| &slot.origins)
    }

    /// Listens to what happens to the credentials from now on: see [`EventKind`](crate::EventKind).
    ///
    /// ```
    /// use auth_layer::{Auth, EventKind, Slot};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let slot = Slot::key("business", "sk_1").origin("https://api.example.com".parse()?);
    /// let auth = Auth::single(slot)?;
    /// let mut events = auth.subscribe();
    /// auth.key("business").expect("a static key").set("sk_2")?;
    /// let event = events.next().await.expect("one event");
    /// assert_eq!((event.slot.as_str(), event.kind), ("business", EventKind::KeySwitched));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn subscribe(&self) -> Events {
        self.shared.hub.subscribe()
    }

    /// The handle of the static key `slot`, if there is one of that name.
    pub fn key(&self, slot: &str) -> Option<&KeySlot> {
        let mut slots = self.shared.slots.iter();
        slots.find_map(|bound| match &bound.credential {
            Credential::Key(key) if key.name().as_str() == slot => Some(key),
            _ => None,
        })
    }

    /// The handle of the renewing token `slot`, if there is one of that name.
    pub fn token(&self, slot: &str) -> Option<&TokenSlot> {
        self.tokens().find(|token| token.name().as_str() == slot)
    }

    /// The handle of the token that `tenant` has in `slot`, if it is [known](crate::Tenants) at the moment.
    ///
    /// As long as the handle is kept, the tenant is not forgotten.
    pub fn tenant(&self, slot: &str, tenant: &str) -> Option<TokenSlot> {
        self.table(slot)?.get(tenant)
    }

    /// How many tenants `slot` has at the moment; `None` where it has no tenants at all.
    pub fn tenant_count(&self, slot: &str) -> Option<usize> {
        Some(self.table(slot)?.len())
    }

    fn table(&self, slot: &str) -> Option<&Table> {
        let mut slots = self.shared.slots.iter();
        slots.find_map(|bound| match &bound.credential {
            Credential::Tenants(table) if bound.name.as_str() == slot => Some(&**table),
            _ => None,
        })
    }

    /// The handles of all renewing tokens but those of tenants.
    pub fn tokens(&self) -> impl Iterator<Item = &TokenSlot> {
        self.shared
            .slots
            .iter()
            .filter_map(|slot| match &slot.credential {
                Credential::Token(token) => Some(token),
                Credential::Nothing | Credential::Key(_) | Credential::Tenants(_) => None,
            })
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = self.shared.slots.iter();
        f.debug_map()
            .entries(slots.map(|slot| (&slot.name, &slot.origins)))
            .finish()
    }
}
