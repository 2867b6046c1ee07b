//! The places that one request holds.

use crate::moment::Moment;
use crate::rolling::Ending;
use crate::window::Window;

/// The places that one request holds in a [`Window`], from its admission to its end.
///
/// Say when the request [departs](Self::depart), and how it ended. A place that is dropped counts as given back before
/// departure, and as [abandoned](crate::Quota::grace) after it: so a panic, too, leaves the window as it should be.
#[derive(Debug)]
#[must_use = "a place that is dropped is given back"]
pub struct Place {
    window: Window,
    cost: u32,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Admitted,
    /// On its way. Its places free at the given moment, where the quota tells it in advance.
    Departed(Option<Moment>),
    Ended,
}

impl Place {
    pub(crate) fn new(window: Window, cost: u32) -> Self {
        Self {
            window,
            cost,
            stage: Stage::Admitted,
        }
    }

    /// Notes that the request leaves now. Call it before the first byte can go out.
    pub fn depart(&mut self) {
        if let Stage::Admitted = self.stage {
            let counts_from_departure = self.window.quota().after_departure().is_some();
            let free_at = counts_from_departure.then(|| {
                let now = self.window.clock().now();
                self.window.shared().depart(now, self.cost)
            });
            self.stage = Stage::Departed(free_at.flatten());
        }
    }

    /// Notes that the response headers have arrived: the window of these places begins.
    pub fn answered(mut self) {
        self.depart();
        self.end(Ending::Answered);
    }

    /// Notes that the request never reached the wire: its places are free at once.
    pub fn give_back(mut self) {
        self.end(Ending::NeverLeft);
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// Ends it, once.
    pub(crate) fn end(&mut self, ending: Ending) {
        let free_at = match self.stage {
            Stage::Ended => return,
            Stage::Admitted => None,
            Stage::Departed(free_at) => free_at,
        };
        self.stage = Stage::Ended;
        let now = self.window.clock().now();
        self.window.shared().end(now, self.cost, free_at, ending);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        match self.stage {
            Stage::Admitted => self.end(Ending::NeverLeft),
            Stage::Departed(_) => self.end(Ending::Abandoned),
            Stage::Ended => {}
        }
    }
}
