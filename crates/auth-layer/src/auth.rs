//! Slots, and which of them a request takes.

mod build;

use std::fmt;
use std::sync::Arc;

use call_context::{CallContext, Class, Origin, Routes, SlotName};
use http::{HeaderName, HeaderValue, Request};

pub use self::build::{AuthBuilder, BuildError};
use crate::check;
use crate::{AttachLayer, AuthError, AuthLayer, CallersOwn, GateLayer, Reason, Slot, TokenSlot};

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
///     .routes(Arc::new(routes))
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
    rule: Rule,
    elsewhere: Elsewhere,
}

/// A slot as requests meet it.
pub(crate) struct Bound {
    name: SlotName,
    origins: Vec<Origin>,
    header: HeaderName,
    callers_own: CallersOwn,
    credential: Credential,
}

pub(crate) enum Credential {
    Nothing,
    Key(HeaderValue),
    Token(TokenSlot),
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
    /// of no slot is not classified either. A caller's own header is still treated as its slot says.
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

    /// The handle of the renewing token `slot`, if there is one of that name.
    pub fn token(&self, slot: &str) -> Option<&TokenSlot> {
        self.tokens().find(|token| token.name().as_str() == slot)
    }

    /// The handles of all renewing tokens.
    pub fn tokens(&self) -> impl Iterator<Item = &TokenSlot> {
        self.shared
            .slots
            .iter()
            .filter_map(|slot| match &slot.credential {
                Credential::Token(token) => Some(token),
                Credential::Nothing | Credential::Key(_) => None,
            })
    }
}

/// What a request is to carry.
pub(crate) struct Chosen<'a> {
    pub(crate) class: Option<&'a Class>,
    pub(crate) name: Option<&'a SlotName>,
    pub(crate) load: Load<'a>,
}

pub(crate) enum Load<'a> {
    /// Nothing of ours, and none of these headers.
    Bare {
        strip: Vec<&'a HeaderName>,
    },
    /// The caller's own header, as it stands.
    CallersOwn,
    Key(&'a HeaderName, &'a HeaderValue),
    Token(&'a HeaderName, &'a TokenSlot),
}

impl Auth {
    /// Chooses what `request` is to carry, or refuses it. Gate and attacher ask the same question.
    pub(crate) fn choose<B>(&self, request: &Request<B>) -> Result<Chosen<'_>, AuthError> {
        let uri = request.uri();
        check::destination(uri, request.headers()).map_err(AuthError::new)?;
        let pass_bare = self.shared.elsewhere == Elsewhere::PassBare;
        let slots = &self.shared.slots;
        if pass_bare && !slots.iter().any(|slot| slot.is_at_home(request)) {
            return self.bare(request, None);
        }
        let (class, slot) = self.slot_for(request)?;
        if !slot.is_at_home(request) {
            if pass_bare {
                return self.bare(request, class);
            }
            let reason = check::misplaced(uri, &slot.origins);
            return Err(AuthError::new(reason).of(&slot.name));
        }
        let mut load = match &slot.credential {
            Credential::Nothing => Load::Bare { strip: Vec::new() },
            Credential::Key(value) => Load::Key(&slot.header, value),
            Credential::Token(token) => Load::Token(&slot.header, token),
        };
        if request.headers().contains_key(&slot.header) {
            match (slot.callers_own, &mut load) {
                (CallersOwn::Refuse, _) => {
                    return Err(AuthError::new(Reason::CallersOwn).of(&slot.name));
                }
                (CallersOwn::Keep, _) => load = Load::CallersOwn,
                (CallersOwn::Replace, Load::Bare { strip }) => strip.push(&slot.header),
                (CallersOwn::Replace, _) => {}
            }
        }
        Ok(Chosen {
            class,
            name: Some(&slot.name),
            load,
        })
    }

    fn slot_for<B>(&self, request: &Request<B>) -> Result<(Option<&Class>, &Bound), AuthError> {
        match &self.shared.rule {
            Rule::Single => Ok((None, &self.shared.slots[0])),
            Rule::Routed { routes, slots } => {
                let class = routes
                    .classify(request)
                    .map_err(|error| AuthError::because(Reason::Unclassifiable, error))?;
                // Building has made sure that each class has a slot.
                let found = class.and_then(|class| slots.iter().find(|(known, _)| known == class));
                let Some((class, index)) = found else {
                    return Err(AuthError::new(Reason::UnknownRoute));
                };
                Ok((Some(class), &self.shared.slots[*index]))
            }
        }
    }

    /// A request elsewhere: whichever slot's header it carries, that slot says what happens to it.
    fn bare<'a, B>(
        &'a self,
        request: &Request<B>,
        class: Option<&'a Class>,
    ) -> Result<Chosen<'a>, AuthError> {
        let mut strip = Vec::new();
        for slot in &self.shared.slots {
            if request.headers().contains_key(&slot.header) {
                match slot.callers_own {
                    CallersOwn::Refuse => {
                        return Err(AuthError::new(Reason::CallersOwn).of(&slot.name));
                    }
                    CallersOwn::Keep => {}
                    CallersOwn::Replace => strip.push(&slot.header),
                }
            }
        }
        Ok(Chosen {
            class,
            name: None,
            load: Load::Bare { strip },
        })
    }

    /// Whether the class comes from routes, so that it belongs into a request's context.
    fn is_routed(&self) -> bool {
        matches!(self.shared.rule, Rule::Routed { .. })
    }

    /// Notes what was chosen in the request's context.
    pub(crate) fn note(&self, chosen: &Chosen<'_>, context: &mut CallContext) {
        if self.is_routed() {
            context.set_class(chosen.class.cloned());
        }
        match chosen.name {
            Some(name) => context.set_slot(name.clone()),
            None => context.clear_slot(),
        }
    }
}

impl Bound {
    /// Whether the slot is meant for where the request goes. A slot without credential and origins is at home anywhere.
    fn is_at_home<B>(&self, request: &Request<B>) -> bool {
        self.origins.is_empty() || self.origins.iter().any(|o| o.matches(request.uri()))
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
