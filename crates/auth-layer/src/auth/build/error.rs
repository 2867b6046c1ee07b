//! What is wrong with a table of slots.

use std::error::Error;
use std::fmt;

use call_context::{Class, Origin, SlotName};

use crate::Unsendable;

/// Why an [`Auth`](crate::Auth) cannot be built. Names the slot and never its secret.
#[derive(Debug)]
pub struct BuildError {
    mistake: Mistake,
    slot: Option<SlotName>,
}

#[derive(Debug)]
pub(super) enum Mistake {
    NotOneSlot,
    ClassesWithoutRoutes,
    SlotTwice,
    LikeATenant(SlotName),
    ClassTwice(Class),
    ClassWithoutRoute(Class),
    ClassWithoutSlot(Class),
    UnknownSlot(Class),
    NoOrigin,
    PlainHttp(Origin),
    Key(Unsendable),
    OverlapOfNothing,
    NothingToTime,
    Backoff,
    FetchTimeout,
    ThroughItself,
    ThroughUnknown(SlotName),
}

impl Mistake {
    pub(super) fn of(self, slot: &SlotName) -> BuildError {
        BuildError {
            mistake: self,
            slot: Some(slot.clone()),
        }
    }
}

impl From<Mistake> for BuildError {
    fn from(mistake: Mistake) -> Self {
        Self {
            mistake,
            slot: None,
        }
    }
}

impl BuildError {
    /// The slot that the mistake is about, if it is about one.
    pub fn slot(&self) -> Option<&SlotName> {
        self.slot.as_ref()
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(slot) = &self.slot {
            write!(f, "credential slot `{slot}`: ")?;
        }
        match &self.mistake {
            Mistake::NotOneSlot => f.write_str("without routes there must be exactly one slot"),
            Mistake::ClassesWithoutRoutes => {
                f.write_str("classes are given slots, but there are no routes to tell a class")
            }
            Mistake::SlotTwice => f.write_str("the name is used twice"),
            Mistake::LikeATenant(tenants) => write!(
                f,
                "the name could be that of a tenant of `{tenants}`; give it one that does not begin with `{tenants}/`"
            ),
            Mistake::ClassTwice(class) => write!(f, "the class `{class}` has a slot already"),
            Mistake::ClassWithoutRoute(class) => write!(
                f,
                "the class `{class}` is given this slot, but no route has that class"
            ),
            Mistake::ClassWithoutSlot(class) => write!(
                f,
                "the class `{class}` has no slot; give it one, `Slot::none` if it needs no credential"
            ),
            Mistake::UnknownSlot(class) => {
                write!(f, "the class `{class}` asks for it, but there is no such slot")
            }
            Mistake::NoOrigin => f.write_str(
                "a credential must be bound to the origins that it is meant for; name them by `Slot::origin`, or one for all slots by \
                 `AuthBuilder::origin`",
            ),
            Mistake::PlainHttp(origin) => write!(
                f,
                "{origin} is plain http to another machine; use https, or declare it with `plain_http`"
            ),
            Mistake::Key(_) => f.write_str("the key cannot stand in a header"),
            Mistake::OverlapOfNothing => {
                f.write_str("an overlap key is set, but only a static key has any")
            }
            Mistake::NothingToTime => {
                f.write_str("durations are set, but only a renewing token has any")
            }
            Mistake::Backoff => f.write_str(
                "the shortest pause must be longer than nothing and no longer than the longest",
            ),
            Mistake::FetchTimeout => f.write_str("a fetch needs more than no time"),
            Mistake::ThroughItself => f.write_str(
                "its source goes through the slot itself, directly or by way of others; give it a client of its own",
            ),
            Mistake::ThroughUnknown(through) => {
                write!(f, "its source goes through `{through}`, but there is no such slot")
            }
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.mistake {
            Mistake::Key(error) => Some(error),
            _ => None,
        }
    }
}
