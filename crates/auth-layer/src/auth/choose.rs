//! Which credential a request takes: the one question that gate and attacher both ask.

use std::ops::Deref;

use call_context::{CallContext, Class, Guard, SlotName};
use http::{HeaderName, HeaderValue, Request, Uri};

use super::{Auth, Bound, Credential, Elsewhere, Rule};
use crate::tenants::{Full, Table};
use crate::{AuthError, CallersOwn, KeySlot, Override, Reason, TokenSlot, check};

/// Where a request belongs, before a look at what it carries.
pub(crate) struct Found<'a> {
    class: Option<&'a Class>,
    slot: Option<&'a Bound>,
    /// Whether no header of it asks for a closer look, and it is bound to where it goes.
    is_plain: bool,
}

impl Found<'_> {
    /// Whether the request goes elsewhere and is none of ours.
    pub(crate) fn is_foreign(&self) -> bool {
        self.slot.is_none()
    }
}

/// What a request is to carry.
pub(crate) struct Chosen<'a> {
    pub(crate) class: Option<&'a Class>,
    /// `None` for a request that passes bare, since it goes elsewhere.
    slot: Option<&'a SlotName>,
    /// What the caller has put on and is to be taken off.
    pub(crate) strip: Vec<&'a HeaderName>,
    pub(crate) load: Load<'a>,
}

pub(crate) enum Load<'a> {
    /// Nothing of ours.
    Nothing,
    Key(&'a HeaderName, &'a KeySlot),
    Token(&'a HeaderName, Held<'a>),
    /// What the caller gave for this request alone.
    Given(&'a HeaderName, HeaderValue),
}

/// A token of the table, or of a tenant.
pub(crate) enum Held<'a> {
    Of(&'a TokenSlot),
    Tenant(TokenSlot),
}

impl Deref for Held<'_> {
    type Target = TokenSlot;

    fn deref(&self) -> &TokenSlot {
        match self {
            Self::Of(slot) => slot,
            Self::Tenant(slot) => slot,
        }
    }
}

impl Chosen<'_> {
    /// The slot whose credential the request carries: the tenant's own, where it has one.
    pub(crate) fn name(&self) -> Option<&SlotName> {
        match &self.load {
            Load::Token(_, Held::Tenant(slot)) => Some(slot.name()),
            _ => self.slot,
        }
    }
}

impl Auth {
    /// Finds the slot of `request`, or refuses it. Gate and attacher ask the same question.
    #[inline]
    pub(crate) fn find<B>(&self, request: &Request<B>) -> Result<Found<'_>, AuthError> {
        match self.plain(request) {
            Some((class, slot)) => Ok(Found {
                class,
                slot: Some(slot),
                is_plain: true,
            }),
            None => self.find_closely(request),
        }
    }

    /// The class and the slot of a request that goes where its slot is bound to, and on which no header asks for a closer look.
    #[inline]
    pub(crate) fn plain<B>(&self, request: &Request<B>) -> Option<(Option<&Class>, &Bound)> {
        if !check::is_plain(request.headers(), &self.shared.named) {
            return None;
        }
        let (class, slot) = match &self.shared.rule {
            Rule::Single => (None, &self.shared.slots[0]),
            Rule::Routed { .. } => self.slot_for(request).ok()?,
        };
        // An origin matches no URI with user information.
        slot.is_bound_to(request.uri()).then_some((class, slot))
    }

    fn find_closely<B>(&self, request: &Request<B>) -> Result<Found<'_>, AuthError> {
        let uri = request.uri();
        let found = |class, slot| {
            Ok(Found {
                class,
                slot,
                is_plain: false,
            })
        };
        check::destination(uri, request.headers()).map_err(AuthError::new)?;
        let pass_bare = self.shared.elsewhere == Elsewhere::PassBare;
        if pass_bare && self.is_foreign(uri) {
            return found(None, None);
        }
        let (class, slot) = self.slot_for(request)?;
        if slot.is_at_home(uri) {
            return found(class, Some(slot));
        }
        if pass_bare {
            return found(class, None);
        }
        let error = match check::misplaced(uri, &slot.origins) {
            Reason::Elsewhere => AuthError::elsewhere(uri, &slot.origins),
            reason => AuthError::new(reason),
        };
        Err(error.of(&slot.name))
    }

    /// Chooses what `request` is to carry, or refuses it for what it carries already.
    #[inline]
    pub(crate) fn choose<'a, B>(
        &'a self,
        found: &Found<'a>,
        request: &Request<B>,
    ) -> Result<Chosen<'a>, AuthError> {
        match found.slot {
            Some(slot) if found.is_plain && !has_override(request) => Ok(Chosen {
                class: found.class,
                slot: Some(&slot.name),
                strip: Vec::new(),
                load: slot.load(request)?,
            }),
            _ => self.choose_closely(found, request),
        }
    }

    fn choose_closely<'a, B>(
        &'a self,
        found: &Found<'a>,
        request: &Request<B>,
    ) -> Result<Chosen<'a>, AuthError> {
        let mut chosen = Chosen {
            class: found.class,
            slot: found.slot.map(|slot| &slot.name),
            strip: Vec::new(),
            load: Load::Nothing,
        };
        if found.is_foreign() && has_been_attached(request) {
            // What it carries is no caller's own: another attacher has put it on.
            return Ok(chosen);
        }
        if let Some(instead) = request.extensions().get::<Override>()
            && let Some(slot) = found.slot
        {
            chosen.load = slot.load_instead(instead)?;
        } else if let Some(slot) = found.slot {
            chosen.load = slot.load(request)?;
        }
        let headers = request.headers();
        for header in &self.shared.watched {
            if !headers.contains_key(header) {
                continue;
            }
            let (rule, slot) = match found.slot {
                Some(slot) => (slot.callers_own, slot),
                None => self.rule_for(header),
            };
            match rule {
                CallersOwn::Refuse => return Err(AuthError::callers_own(header).of(&slot.name)),
                CallersOwn::Replace => chosen.strip.push(header),
                CallersOwn::Keep if *header == slot.header => chosen.load = Load::Nothing,
                CallersOwn::Keep => {}
            }
        }
        Ok(chosen)
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
                    return Err(AuthError::unknown_route(request.method()));
                };
                Ok((Some(class), &self.shared.slots[*index]))
            }
        }
    }

    /// Elsewhere, the slots that would set a header say what happens to a caller's own, and all of them where none would: the
    /// strictest counts.
    fn rule_for(&self, header: &HeaderName) -> (CallersOwn, &Bound) {
        let slots = || self.shared.slots.iter();
        let sets = |slot: &&Bound| slot.header == *header;
        let any = slots().any(|slot| sets(&slot));
        let strictness = |slot: &&Bound| match slot.callers_own {
            CallersOwn::Refuse => 0,
            CallersOwn::Replace => 1,
            CallersOwn::Keep => 2,
        };
        let asked = slots().filter(|slot| !any || sets(slot));
        let strictest = asked.min_by_key(strictness);
        let slot = strictest.unwrap_or(&self.shared.slots[0]);
        (slot.callers_own, slot)
    }

    /// Whether the request goes to an origin that no slot is bound to.
    fn is_foreign(&self, uri: &Uri) -> bool {
        let slots = self.shared.slots.iter();
        let mut bound = slots.filter(|slot| !slot.origins.is_empty()).peekable();
        bound.peek().is_some() && !bound.any(|slot| slot.is_bound_to(uri))
    }

    /// Whether the class comes from routes, so that it belongs into a request's context.
    fn is_routed(&self) -> bool {
        matches!(self.shared.rule, Rule::Routed { .. })
    }

    /// Notes what was chosen in the request's context.
    pub(crate) fn note(&self, chosen: &Chosen<'_>, context: &mut CallContext) {
        let under_another = context.inside(Guard::Gate) && !context.inside(Guard::Attach);
        let name = chosen.name();
        if name.is_none() && under_another {
            // Another gate has found its slot, and a layer below it may go by that.
            return;
        }
        if self.is_routed() {
            context.set_class(chosen.class.cloned());
        }
        match name {
            Some(name) => context.set_slot(name.clone()),
            None => context.clear_slot(),
        }
    }

    /// Whether a slot of this table has that name.
    pub(crate) fn has(&self, slot: &SlotName) -> bool {
        self.shared
            .slots
            .iter()
            .any(|bound| match &bound.credential {
                Credential::Tenants(table) => table.has(slot),
                _ => bound.name == *slot,
            })
    }
}

/// Whether the caller gave a credential for this request alone.
pub(crate) fn has_override<B>(request: &Request<B>) -> bool {
    request.extensions().get::<Override>().is_some()
}

/// Whether an attacher has put a credential on the request.
fn has_been_attached<B>(request: &Request<B>) -> bool {
    CallContext::get(request.extensions()).is_some_and(|context| context.inside(Guard::Attach))
}

impl Bound {
    #[inline]
    fn load<B>(&self, request: &Request<B>) -> Result<Load<'_>, AuthError> {
        Ok(match &self.credential {
            Credential::Nothing => Load::Nothing,
            Credential::Key(key) => Load::Key(&self.header, key),
            Credential::Token(token) => Load::Token(&self.header, Held::Of(token)),
            Credential::Tenants(table) => {
                let slot = self.tenant(table, request)?;
                Load::Token(&self.header, Held::Tenant(slot))
            }
        })
    }

    fn tenant<B>(&self, table: &Table, request: &Request<B>) -> Result<TokenSlot, AuthError> {
        let refused = |reason| AuthError::new(reason).of(&self.name);
        let tenant = table.tenant_of(request);
        let tenant = tenant.ok_or_else(|| refused(Reason::NoTenant))?;
        let slot = table.slot(tenant);
        slot.map_err(|Full| refused(Reason::TooManyTenants))
    }

    /// What a request carries instead of the slot's own credential.
    fn load_instead(&self, instead: &Override) -> Result<Load<'_>, AuthError> {
        let Some(secret) = instead.get() else {
            return Ok(Load::Nothing);
        };
        if self.origins.is_empty() {
            return Err(AuthError::new(Reason::Override).of(&self.name));
        }
        match self.scheme.value(secret) {
            Ok(value) => Ok(Load::Given(&self.header, value)),
            Err(error) => Err(AuthError::because(Reason::Override, error).of(&self.name)),
        }
    }

    /// Whether the slot is meant for where the request goes. A slot without credential and origins is at home anywhere.
    fn is_at_home(&self, uri: &Uri) -> bool {
        self.origins.is_empty() || self.is_bound_to(uri)
    }

    /// Whether the request goes to one of the slot's origins.
    fn is_bound_to(&self, uri: &Uri) -> bool {
        self.origins.iter().any(|origin| origin.matches(uri))
    }
}
