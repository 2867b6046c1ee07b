//! Which window counts a request.

use std::sync::Arc;

use call_context::SlotName;

use crate::domain::Domain;
use crate::keyed::Keyed;
use crate::pace::Pace;
use crate::quota::{Quota, Quotas};
use crate::window::Window;

/// What holds for the requests of a slot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Limit {
    /// They are counted in this window.
    Window(Window),
    /// They are counted in a window of their own, which the layer makes.
    Quotas(Quotas),
    /// They are counted in the window of their key.
    Keyed(Keyed),
    /// They are not counted.
    Unlimited,
    /// They are turned away.
    Refused,
}

impl Limit {
    /// With the windows made that it needs: in `domain`, so that a request may take places in all of them.
    pub(crate) fn made_in(self, domain: &Arc<Domain>) -> Self {
        match self {
            Self::Quotas(quotas) => Self::Window(Window::open(domain, quotas)),
            Self::Keyed(keyed) => Self::Keyed(keyed.made_in(domain)),
            other => other,
        }
    }

    /// Where its windows are, if it has any.
    pub(crate) fn domain(&self) -> Option<&Arc<Domain>> {
        match self {
            Self::Window(window) => Some(window.domain()),
            Self::Keyed(keyed) => Some(keyed.windows()?.domain()),
            Self::Quotas(_) | Self::Unlimited | Self::Refused => None,
        }
    }

    /// What it holds requests to.
    pub(crate) fn quotas(&self) -> Option<&Quotas> {
        match self {
            Self::Window(window) => Some(window.quotas()),
            Self::Keyed(keyed) => Some(keyed.windows()?.quotas()),
            Self::Quotas(quotas) => Some(quotas),
            Self::Unlimited | Self::Refused => None,
        }
    }
}

impl From<Window> for Limit {
    fn from(window: Window) -> Self {
        Self::Window(window)
    }
}

impl From<Keyed> for Limit {
    fn from(keyed: Keyed) -> Self {
        Self::Keyed(keyed)
    }
}

impl From<Quota> for Limit {
    fn from(quota: Quota) -> Self {
        Self::Quotas(quota.into())
    }
}

impl From<Pace> for Limit {
    fn from(pace: Pace) -> Self {
        Self::Quotas(pace.into())
    }
}

impl From<Quotas> for Limit {
    fn from(quotas: Quotas) -> Self {
        Self::Quotas(quotas)
    }
}

/// The limits of all slots.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    named: Vec<(SlotName, Limit)>,
    otherwise: Limit,
    without_slot: Option<Limit>,
}

impl Limits {
    pub(crate) fn new(otherwise: Limit) -> Self {
        Self {
            named: Vec::new(),
            otherwise,
            without_slot: None,
        }
    }

    pub(crate) fn name(&mut self, slot: SlotName, limit: Limit) {
        match self.named.iter_mut().find(|(name, _)| *name == slot) {
            Some((_, known)) => *known = limit,
            None => self.named.push((slot, limit)),
        }
    }

    pub(crate) fn otherwise(&mut self, limit: Limit) {
        self.otherwise = limit;
    }

    pub(crate) fn without_slot(&mut self, limit: Limit) {
        self.without_slot = Some(limit);
    }

    /// What holds for requests of `slot`.
    pub(crate) fn of(&self, slot: Option<&SlotName>) -> &Limit {
        match slot {
            None => self.without_slot.as_ref().unwrap_or(&self.otherwise),
            Some(_) if self.named.is_empty() => &self.otherwise,
            Some(slot) => self
                .named
                .iter()
                .find_map(|(name, limit)| (name == slot).then_some(limit))
                .unwrap_or(&self.otherwise),
        }
    }

    /// What holds for all requests, whichever slot they are of, where it is the same.
    pub(crate) fn of_all(&self) -> Option<&Limit> {
        let is_one = self.named.is_empty() && self.without_slot.is_none();
        is_one.then_some(&self.otherwise)
    }

    /// The one window that counts all requests, whichever slot they are of.
    pub(crate) fn only(&self) -> Option<&Window> {
        match self.of_all() {
            Some(Limit::Window(window)) => Some(window),
            _ => None,
        }
    }

    /// The slots that are named.
    pub(crate) fn named(&self) -> impl Iterator<Item = &SlotName> {
        self.named.iter().map(|(name, _)| name)
    }

    /// All of them, whichever slot they are for.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Limit> {
        let named = self.named.iter().map(|(_, limit)| limit);
        named.chain([&self.otherwise]).chain(&self.without_slot)
    }

    /// With the windows made that they need.
    pub(crate) fn made_in(self, domain: &Arc<Domain>) -> Self {
        let named = self.named.into_iter();
        Self {
            named: named
                .map(|(name, limit)| (name, limit.made_in(domain)))
                .collect(),
            otherwise: self.otherwise.made_in(domain),
            without_slot: self.without_slot.map(|limit| limit.made_in(domain)),
        }
    }
}
