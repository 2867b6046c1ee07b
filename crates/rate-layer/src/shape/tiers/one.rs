//! One of several limits, looked at by itself.

use crate::lane::Lane;
use crate::moment::Moment;
use crate::pace::Pace;
use crate::server::clock::ServerClock;
use crate::shape::pacer::Pacer;
use crate::shape::rolling::{Places, Rolling};
use crate::shape::sight::Turn;
use crate::shape::terms::Terms;

/// One limit of a key, and its state.
#[derive(Clone, Copy, Debug)]
pub(crate) enum One<'a> {
    Window(&'a Terms, &'a Rolling),
    Pace(Pace, &'a Pacer),
}

impl<'a> One<'a> {
    /// The window, if it is one: a pace holds no places.
    pub(crate) fn window(self) -> Option<&'a Rolling> {
        match self {
            Self::Window(_, rolling) => Some(rolling),
            Self::Pace(..) => None,
        }
    }

    /// Whether the places `wanted` are free, as of when it was last told the time.
    pub(super) fn has_room(self, lane: Lane, wanted: Places) -> bool {
        match self {
            Self::Window(terms, rolling) => rolling.has_room(terms, lane, wanted),
            Self::Pace(pace, pacer) => pacer.has_room(pace, wanted.of_all),
        }
    }

    /// What a request of `lane` may cost at the most.
    pub(super) fn most(self, lane: Lane) -> u32 {
        match self {
            Self::Window(terms, rolling) => rolling.most(terms, lane),
            Self::Pace(pace, _) => pace.at_once(),
        }
    }

    /// When the last of the next places frees.
    pub(crate) fn turn(
        self,
        server: &ServerClock,
        now: Moment,
        lane: Lane,
        places: Places,
    ) -> Turn {
        match self {
            Self::Window(terms, rolling) => rolling.turn(terms, server, now, lane, places),
            Self::Pace(pace, pacer) => pacer.turn(pace, now, places.of_all),
        }
    }

    /// When the last of the next `requests` of the rest may go, if each goes before all others as soon as the rest hold
    /// nothing; the last one wants `cost` places.
    pub(crate) fn turn_of_rest(
        self,
        server: &ServerClock,
        now: Moment,
        requests: u64,
        cost: u32,
    ) -> Moment {
        match self {
            Self::Window(terms, rolling) => {
                rolling.turn_of_rest(terms, server, now, requests, cost)
            }
            Self::Pace(pace, pacer) => pacer.turn(pace, now, u64::from(cost)).at,
        }
    }
}
