//! From what a user knows of an API to a stack.

use std::sync::Arc;

use auth_layer::{Auth, AuthBuilder, Elsewhere, Secret, Slot, Source};
use call_context::{Class, Origin, Route, Routes, SlotName};
use rate_layer::{Limit, RateLayer, Rule};
use retry_layer::{IdempotencyKeyLayer, RetryLayer};

use super::Stack;
use super::error::{Fault, StackError};
use super::{keys, reserve};
use crate::PeekLayer;

/// Collects what a [`Stack`] is to know.
#[derive(Debug)]
pub struct StackBuilder {
    auth: AuthBuilder,
    slots: usize,
    passes_bare: bool,
    routes: Vec<Route>,
    rate: Option<RateLayer>,
    limits: usize,
    reserves_for_nobody: bool,
    peek: PeekLayer,
    retry: RetryLayer,
    keys: Option<IdempotencyKeyLayer>,
}

impl StackBuilder {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            auth: Auth::builder().origin(origin),
            slots: 0,
            passes_bare: false,
            routes: Vec::new(),
            rate: None,
            limits: 0,
            reserves_for_nobody: false,
            peek: PeekLayer::new(),
            retry: RetryLayer::new(),
            keys: None,
        }
    }

    /// Sends the static key `key` as `Authorization: Bearer`. Short for a slot named `key`.
    #[must_use]
    pub fn key(self, key: impl Into<Secret>) -> Self {
        self.slot(Slot::key("key", key))
    }

    /// Sends a token from `source` as `Authorization: Bearer`, renewed before it ends. Short for a slot named `token`.
    #[must_use]
    pub fn token(self, source: impl Source) -> Self {
        self.slot(Slot::token("token", source))
    }

    /// Adds a credential. One that names no origin of its own is bound to the stack's.
    #[must_use]
    pub fn slot(mut self, slot: Slot) -> Self {
        self.auth = self.auth.slot(slot);
        self.slots += 1;
        self
    }

    /// Adds a route. With routes, each request takes the slot of its route's [class](Self::class), and a request that no
    /// route matches is refused.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Gives the requests of `class` the credential of `slot`. Each class of the routes needs one.
    #[must_use]
    pub fn class(mut self, class: impl Into<Class>, slot: impl Into<SlotName>) -> Self {
        self.auth = self.auth.class(class, slot);
        self
    }

    /// Says what happens to requests that go elsewhere than to their slot's origins. Default: they are refused.
    #[must_use]
    pub fn elsewhere(mut self, rule: Elsewhere) -> Self {
        self.auth = self.auth.elsewhere(rule);
        self.passes_bare = rule == Elsewhere::PassBare;
        self
    }

    /// Limits all requests together. Short for [`rate`](Self::rate) with a layer of one rule.
    ///
    /// Several windows that hold together are one rule too: `Quota::rolling(10, SECOND).and(Quota::rolling(100, MINUTE))`. Where
    /// some requests are to [go first](RateLayer::first), say so by [`rate`](Self::rate).
    #[must_use]
    pub fn limit(mut self, rule: impl Into<Rule>) -> Self {
        let rule = rule.into();
        self.reserves_for_nobody |= reserve::is_for_nobody(rule.limit());
        self.rate(RateLayer::new(rule))
    }

    /// Limits requests with `layer`. Without it there is no limit.
    #[must_use]
    pub fn rate(mut self, layer: RateLayer) -> Self {
        self.rate = Some(layer);
        self.limits += 1;
        self
    }

    /// Retries with `layer` instead of one with the defaults. It learns the stack's routes.
    #[must_use]
    pub fn retry(mut self, layer: RetryLayer) -> Self {
        self.retry = layer;
        self
    }

    /// Gives idempotency keys with `layer`, above retry, so that all attempts at a call carry the same. It learns the stack's
    /// routes. Without it no keys are given.
    ///
    /// A key makes a request repeatable only where the [retry layer](Self::retry) knows that the server
    /// [honours it](RetryLayer::keys_honoured_by); so a stack that is not told of any such server is not built. It reads keys where
    /// this layer [writes](IdempotencyKeyLayer::header) them: the header need not be named twice.
    ///
    /// Keys that are for the server alone, since it asks for them or something on the way repeats requests, are welcome where nothing is
    /// repeated for the lack of them: where retries are off ([`attempts(1)`](RetryLayer::attempts)), or each class that has
    /// keys is idempotent, by the methods of its routes or [by word](RetryLayer::idempotent_class), or is [not repeated](retry_layer::ClassSettings::attempts). Elsewhere put the layer of keys above the stack, with its own routes.
    #[must_use]
    pub fn idempotency_keys(mut self, layer: IdempotencyKeyLayer) -> Self {
        self.keys = Some(layer);
        self
    }

    /// Peeks at error bodies with `layer` instead of one with the defaults.
    #[must_use]
    pub fn peek(mut self, layer: PeekLayer) -> Self {
        self.peek = layer;
        self
    }

    /// Builds the stack.
    ///
    /// # Errors
    ///
    /// - Two routes match the same requests, or slots, classes and routes do not fit together ([`AuthBuilder::build`]).
    /// - Two limits are given, of which one would be lost, or a rate layer that [contradicts itself](RateLayer::contradiction).
    /// - A quota of [`limit`](Self::limit) [reserves](rate_layer::Quota::reserve) places, which nobody could ever take: none goes first there.
    /// - There are routes, and the layers of limits, retries or idempotency keys name a class that none of them has; or there are
    ///   none, and requests of a class are to [go first](RateLayer::first).
    /// - Idempotency keys are in another header than the retry layer was told, or would have no effect: nobody is named who
    ///   [honours them](RetryLayer::keys_honoured_by), or only origins to which the stack sends nothing, or keys are given to a class
    ///   on whose routes they are [not honoured](RetryLayer::keyed_class).
    /// - A rate layer by slot names a slot that the stack does not have, leaves out one that it has, or names a slot of
    ///   [tenants](Slot::tenants), [whose requests have others](crate#tenants).
    pub fn build(self) -> Result<Stack, StackError> {
        if self.slots == 0 {
            return Err(Fault::NoCredential.into());
        }
        if self.slots > 1 && self.routes.is_empty() {
            return Err(Fault::NothingToChooseBy.into());
        }
        if self.limits > 1 {
            return Err(Fault::TwoLimits.into());
        }
        if self.reserves_for_nobody {
            return Err(Fault::ReserveForNobody.into());
        }
        let Self {
            mut auth,
            routes,
            mut retry,
            mut keys,
            ..
        } = self;
        let rate = self.rate.unwrap_or_else(unlimited);
        let by_method = keys::ByMethod::of(&routes);
        if !routes.is_empty() {
            let routes = Arc::new(Routes::new(routes).map_err(Fault::Routes)?);
            auth = auth.routes(Arc::clone(&routes));
            are_known(rate.first_classes(), &routes, "rate layer")?;
            are_known(retry.classes(), &routes, "retry layer")?;
            are_known(
                keys.iter().flat_map(|keys| keys.classes()),
                &routes,
                "layer of idempotency keys",
            )?;
            keys = keys.map(|keys| keys.routes(Arc::clone(&routes)));
            retry = retry.routes(routes);
        } else if let Some(class) = rate.first_classes().next() {
            return Err(Fault::FirstWithoutRoutes(class.clone()).into());
        }
        if let Some(keys) = &keys {
            retry = keys::reading(retry, keys.header_name())?;
        }
        let auth = auth.build().map_err(Fault::Auth)?;
        keys::have_effect(keys.as_ref(), &retry, &auth, self.passes_bare, &by_method)?;
        if let Some(contradiction) = rate.contradiction() {
            return Err(Fault::Limits(contradiction).into());
        }
        agree(&auth, &rate)?;
        Ok(Stack {
            auth,
            rate,
            peek: self.peek,
            retry,
            keys,
        })
    }
}

fn unlimited() -> RateLayer {
    RateLayer::by_slot().otherwise(Limit::Unlimited)
}

/// What is said of a class that no route has would hold for nobody.
fn are_known<'a>(
    mut classes: impl Iterator<Item = &'a Class>,
    routes: &Routes,
    layer: &'static str,
) -> Result<(), Fault> {
    match classes.find(|class| !routes.classes().any(|known| known == *class)) {
        Some(class) => Err(Fault::ClassWithoutRoute(layer, class.clone())),
        None => Ok(()),
    }
}

/// A slot that only one of the two knows is a slip that would show at the first request, or as a limit that holds for nobody.
///
/// A slot of tenants is known to the rate layer by the slots that its tenants have, `customers/acme`, and never by its own name.
fn agree(auth: &Auth, rate: &RateLayer) -> Result<(), StackError> {
    let has_tenants = |slot: &str| auth.tenant_count(slot).is_some();
    for named in rate.slots() {
        let name = named.as_str();
        if has_tenants(name) {
            return Err(Fault::TenantsNamed(named.clone()).into());
        }
        let is_tenants = name
            .match_indices('/')
            .any(|(at, _)| has_tenants(&name[..at]));
        if !is_tenants && !auth.slots().any(|slot| slot == named) {
            return Err(Fault::LimitWithoutSlot(named.clone()).into());
        }
    }
    for slot in auth.slots() {
        if matches!(rate.limit_of(Some(slot)), Limit::Refused) {
            let slot = slot.clone();
            return Err(match has_tenants(slot.as_str()) {
                true => Fault::TenantsWithoutLimit(slot).into(),
                false => Fault::SlotWithoutLimit(slot).into(),
            });
        }
    }
    Ok(())
}
