//! Where a window reads the time: tokio's clock, which tests can pause.

#[cfg(feature = "quanta")]
mod counter;
#[cfg(feature = "quanta")]
mod quick;

use tokio::time::Instant;

use crate::moment::Moment;

/// Tells the time since the window was made.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    #[cfg(feature = "quanta")]
    quick: Option<quick::Quick>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            #[cfg(feature = "quanta")]
            quick: None,
        }
    }

    /// One that is quicker to read.
    #[cfg(feature = "quanta")]
    pub(crate) fn quick() -> Self {
        Self {
            quick: Some(quick::Quick::new()),
            ..Self::start()
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Moment {
        #[cfg(feature = "quanta")]
        if let Some(quick) = &self.quick {
            return quick.now(self.start);
        }
        self.moment(Instant::now())
    }

    /// The moment at which `instant` is; the first one, if it was before that.
    #[inline]
    pub(crate) fn moment(&self, instant: Instant) -> Moment {
        Moment::START.after(instant.saturating_duration_since(self.start))
    }

    /// The instant of `moment`; `None` where it lies too far ahead to be one.
    pub(crate) fn instant(&self, moment: Moment) -> Option<Instant> {
        self.start.checked_add(moment.since(Moment::START))
    }
}
