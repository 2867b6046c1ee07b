//! Which credential a request takes: the one question that gate and attacher both ask.

use call_context::{CallContext, Class, SlotName};
use http::{HeaderName, HeaderValue, Request};

use super::{Auth, Bound, Credential, Elsewhere, Rule};
use crate::{AuthError, CallersOwn, Reason, TokenSlot, check};

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
        if pass_bare && self.is_foreign(request) {
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

    /// Whether the request goes to an origin that no slot is bound to.
    fn is_foreign<B>(&self, request: &Request<B>) -> bool {
        let slots = self.shared.slots.iter();
        let mut bound = slots.filter(|slot| !slot.origins.is_empty()).peekable();
        bound.peek().is_some() && !bound.any(|slot| slot.is_at_home(request))
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
