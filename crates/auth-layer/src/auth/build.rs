//! From slots to an [`Auth`]; mistakes are caught here.

mod error;

use std::sync::Arc;
use std::time::Duration;

use call_context::{Class, Origin, Routes, SlotName};
use http::header::AUTHORIZATION;

pub use self::error::BuildError;
use self::error::Mistake;
use super::{Auth, Bound, Credential, Elsewhere, Rule, Shared};
use crate::events::Hub;
use crate::slot::Content;
use crate::tenants::Table;
use crate::token::Timing;
use crate::{KeySlot, Slot, TokenSlot};

/// No duration of a slot is longer than this, so that no clock overflows.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A table of slots, and which classes take them.
#[derive(Debug, Default)]
pub struct AuthBuilder {
    slots: Vec<Slot>,
    routes: Option<Arc<Routes>>,
    classes: Vec<(Class, SlotName)>,
    origin: Option<Origin>,
    elsewhere: Elsewhere,
}

impl AuthBuilder {
    /// Binds slots that name no origin of their own to `origin`: https, or plain http on this machine.
    ///
    /// That goes for [`Slot::none`] too, whose requests are then at home there alone. A slot that names an origin, be it with
    /// [`Slot::plain_http`], is bound to its own only.
    ///
    /// ```
    /// use auth_layer::{Auth, Slot};
    ///
    /// let auth = Auth::builder()
    ///     .origin("https://api.example.com".parse()?)
    ///     .slot(Slot::key("business", "sk_live_1"))
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Adds a slot. Without [`routes`](Self::routes) there must be exactly one, and every request takes it.
    #[must_use]
    pub fn slot(mut self, slot: Slot) -> Self {
        self.slots.push(slot);
        self
    }

    /// Chooses slots by the class of a request's route. A request that no route matches is refused.
    #[must_use]
    pub fn routes(mut self, routes: impl Into<Arc<Routes>>) -> Self {
        self.routes = Some(routes.into());
        self
    }

    /// Gives the requests of `class` the credential of `slot`. Each class of the routes needs one.
    #[must_use]
    pub fn class(mut self, class: impl Into<Class>, slot: impl Into<SlotName>) -> Self {
        self.classes.push((class.into(), slot.into()));
        self
    }

    /// Says what happens to requests that go elsewhere than to their slot's origins. Default: they are refused.
    #[must_use]
    pub fn elsewhere(mut self, rule: Elsewhere) -> Self {
        self.elsewhere = rule;
        self
    }

    /// Builds the table.
    ///
    /// # Errors
    ///
    /// Where a slot with a credential is bound to no origin; any slot to a plain-http one off this machine that is not
    /// declared so; a key cannot stand in a header; a class has no slot, or no route has that class; names are used twice, are
    /// unknown, or could be a tenant's of another slot (`customers/acme`, beside the tenants of `customers`); a source would go through its own slot, directly or through others; or durations contradict each other.
    pub fn build(self) -> Result<Auth, BuildError> {
        let names: Vec<SlotName> = self.slots.iter().map(|slot| slot.name.clone()).collect();
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(Mistake::SlotTwice.of(name));
            }
        }
        for slot in &self.slots {
            let Content::Tenants(_) = slot.content else {
                continue;
            };
            let below = |name: &&SlotName| {
                let rest = name.as_str().strip_prefix(slot.name.as_str());
                rest.is_some_and(|rest| rest.starts_with('/'))
            };
            if let Some(name) = names.iter().find(below) {
                return Err(Mistake::LikeATenant(slot.name.clone()).of(name));
            }
        }
        let rule = match self.routes {
            Some(routes) => routed(routes, self.classes, &names)?,
            None if !self.classes.is_empty() => return Err(Mistake::ClassesWithoutRoutes.into()),
            None if names.len() != 1 => return Err(Mistake::NotOneSlot.into()),
            None => Rule::Single,
        };
        let hub = Arc::new(Hub::default());
        let slots = self.slots.into_iter().map(|mut slot| {
            if slot.origins.is_empty() && slot.plain_http.is_empty() {
                slot.origins.extend(self.origin.clone());
            }
            bind(slot, &hub)
        });
        let slots = slots.collect::<Result<Vec<_>, _>>()?;
        follow_sources(&slots)?;
        let mut watched = vec![AUTHORIZATION];
        for slot in &slots {
            if !watched.contains(&slot.header) {
                watched.push(slot.header.clone());
            }
        }
        let named = watched[1..].to_vec();
        Ok(Auth {
            shared: Arc::new(Shared {
                slots,
                watched,
                named,
                rule,
                elsewhere: self.elsewhere,
                hub,
            }),
        })
    }
}

fn routed(
    routes: Arc<Routes>,
    classes: Vec<(Class, SlotName)>,
    names: &[SlotName],
) -> Result<Rule, BuildError> {
    let mut slots: Vec<(Class, usize)> = Vec::new();
    for (class, slot) in classes {
        if slots.iter().any(|(known, _)| *known == class) {
            return Err(Mistake::ClassTwice(class).of(&slot));
        }
        if !routes.classes().any(|known| *known == class) {
            return Err(Mistake::ClassWithoutRoute(class).of(&slot));
        }
        let Some(index) = names.iter().position(|name| *name == slot) else {
            return Err(Mistake::UnknownSlot(class).of(&slot));
        };
        slots.push((class, index));
    }
    let mut needed = routes.classes();
    if let Some(class) = needed.find(|class| !slots.iter().any(|(known, _)| known == *class)) {
        return Err(Mistake::ClassWithoutSlot(class.clone()).into());
    }
    drop(needed);
    Ok(Rule::Routed { routes, slots })
}

fn bind(slot: Slot, hub: &Arc<Hub>) -> Result<Bound, BuildError> {
    let Slot {
        name,
        content,
        origins,
        plain_http,
        header,
        scheme,
        callers_own,
        durations,
        clock,
        misplaced_overlap,
    } = slot;
    if misplaced_overlap {
        return Err(Mistake::OverlapOfNothing.of(&name));
    }
    if let Some(open) = origins.iter().find(|o| !o.is_https() && !o.is_loopback()) {
        return Err(Mistake::PlainHttp(open.clone()).of(&name));
    }
    let origins = [origins, plain_http].concat();
    if origins.is_empty() && !matches!(content, Content::Nothing) {
        return Err(Mistake::NoOrigin.of(&name));
    }
    if !durations.is_empty() && !matches!(content, Content::Token(_) | Content::Tenants(_)) {
        return Err(Mistake::NothingToTime.of(&name));
    }
    let queued = matches!(&content, Content::Token(source) if source.through().is_some());
    let timing = checked(durations.timing(queued)).map_err(|mistake| mistake.of(&name))?;
    let credential = match content {
        Content::Nothing => Credential::Nothing,
        Content::Key { key, overlap } => {
            match KeySlot::new(name.clone(), scheme, key, overlap, Arc::clone(hub), clock) {
                Ok(key) => Credential::Key(key),
                Err(error) => return Err(Mistake::Key(error).of(&name)),
            }
        }
        Content::Tenants(tenants) => {
            let hub = Arc::clone(hub);
            // What its sources are like is known when they are made.
            let queued = checked(durations.timing(true)).map_err(|mistake| mistake.of(&name))?;
            let timing = [timing, queued];
            let table = Table::new(name.clone(), scheme, timing, clock, hub, tenants);
            Credential::Tenants(Box::new(table))
        }
        Content::Token(source) => Credential::Token(TokenSlot::new(
            name.clone(),
            scheme,
            source,
            timing,
            clock,
            Arc::clone(hub),
        )),
    };
    Ok(Bound {
        name,
        origins,
        header,
        scheme,
        callers_own,
        credential,
    })
}

fn checked(mut timing: Timing) -> Result<Timing, Mistake> {
    let backoff = &mut timing.backoff;
    if backoff.shortest.is_zero() || backoff.longest < backoff.shortest {
        return Err(Mistake::Backoff);
    }
    if timing.fetch.is_zero() {
        return Err(Mistake::FetchTimeout);
    }
    for duration in [
        &mut backoff.shortest,
        &mut backoff.longest,
        &mut timing.fetch,
        &mut timing.wait,
    ] {
        *duration = LONGEST.min(*duration);
    }
    Ok(timing)
}

/// Refuses a source that would wait for itself: through its own slot, or round by others.
fn follow_sources(slots: &[Bound]) -> Result<(), BuildError> {
    let through = |name: &SlotName| {
        let slot = slots.iter().find(|slot| slot.name == *name)?;
        match &slot.credential {
            Credential::Token(token) => token.through(),
            Credential::Nothing | Credential::Key(_) | Credential::Tenants(_) => None,
        }
    };
    for slot in slots {
        let mut at = slot.name.clone();
        for _ in slots {
            let Some(next) = through(&at) else { break };
            if !slots.iter().any(|slot| slot.name == next) {
                return Err(Mistake::ThroughUnknown(next).of(&at));
            }
            if next == slot.name {
                return Err(Mistake::ThroughItself.of(&slot.name));
            }
            at = next;
        }
    }
    Ok(())
}
