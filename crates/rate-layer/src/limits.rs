//! Which window counts a request.

use call_context::SlotName;

use crate::quota::Quota;
use crate::window::Window;

/// What holds for the requests of a slot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Limit {
    /// They are counted in this window.
    Window(Window),
    /// They are not counted.
    Unlimited,
    /// They are turned away.
    Refused,
}

impl From<Window> for Limit {
    fn from(window: Window) -> Self {
        Self::Window(window)
    }
}

impl From<Quota> for Limit {
    fn from(quota: Quota) -> Self {
        Self::Window(quota.into())
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
            Some(slot) => self
                .named
                .iter()
                .find_map(|(name, limit)| (name == slot).then_some(limit))
                .unwrap_or(&self.otherwise),
        }
    }

    /// The slots that are named.
    pub(crate) fn named(&self) -> impl Iterator<Item = &SlotName> {
        self.named.iter().map(|(name, _)| name)
    }
}
