//! From what a user knows of an API to a stack.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use auth_layer::{Auth, AuthBuilder, BuildError, Elsewhere, Secret, Slot, Source};
use call_context::{Class, Origin, Route, Routes, RoutesError, SlotName};
use rate_layer::{Limit, RateLayer, Window};
use retry_layer::RetryLayer;

use super::Stack;
use crate::PeekLayer;

/// Collects what a [`Stack`] is to know.
#[derive(Debug)]
pub struct StackBuilder {
    auth: AuthBuilder,
    routes: Vec<Route>,
    rate: Option<RateLayer>,
    peek: PeekLayer,
    retry: RetryLayer,
}

impl StackBuilder {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            auth: Auth::builder().origin(origin),
            routes: Vec::new(),
            rate: None,
            peek: PeekLayer::new(),
            retry: RetryLayer::new(),
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
        self
    }

    /// Limits all requests together. Short for [`rate`](Self::rate) with a layer of one window.
    #[must_use]
    pub fn limit(self, window: impl Into<Window>) -> Self {
        self.rate(RateLayer::new(window))
    }

    /// Limits requests with `layer`. Without it there is no limit.
    #[must_use]
    pub fn rate(mut self, layer: RateLayer) -> Self {
        self.rate = Some(layer);
        self
    }

    /// Retries with `layer` instead of one with the defaults. It learns the stack's routes.
    #[must_use]
    pub fn retry(mut self, layer: RetryLayer) -> Self {
        self.retry = layer;
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
    /// Where two routes match the same requests, or slots, classes and routes do not fit together: see
    /// [`AuthBuilder::build`].
    pub fn build(self) -> Result<Stack, StackError> {
        let Self {
            mut auth,
            routes,
            rate,
            peek,
            mut retry,
        } = self;
        if !routes.is_empty() {
            let routes = Routes::new(routes).map_err(|e| StackError(Fault::Routes(e)))?;
            let routes = Arc::new(routes);
            auth = auth.routes(Arc::clone(&routes));
            retry = retry.routes(routes);
        }
        Ok(Stack {
            auth: auth.build().map_err(|e| StackError(Fault::Auth(e)))?,
            rate: rate.unwrap_or_else(|| RateLayer::by_slot().otherwise(Limit::Unlimited)),
            peek,
            retry,
        })
    }
}

/// Why a stack cannot be built.
#[derive(Debug)]
pub struct StackError(Fault);

#[derive(Debug)]
enum Fault {
    Routes(RoutesError),
    Auth(BuildError),
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The part that knows says what to change; a stack has nothing to add.
        match &self.0 {
            Fault::Routes(error) => error.fmt(f),
            Fault::Auth(error) => error.fmt(f),
        }
    }
}

impl Error for StackError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Fault::Routes(error) => error.source(),
            Fault::Auth(error) => error.source(),
        }
    }
}
