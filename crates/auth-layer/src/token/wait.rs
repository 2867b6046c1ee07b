//! Waiting for a usable token.

use std::pin::{Pin, pin};

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::TokenSlot;
use super::failure::Failure;
use super::life::Next;
use crate::clock::Moment;
use crate::{AuthError, Reason};

/// The slow path of a gate: it holds the slot and neither request nor inner service.
pub(crate) type Wait = Pin<Box<dyn Future<Output = Result<(), AuthError>> + Send>>;

enum Step {
    Ready,
    Start(u64),
    Fetching(Instant),
    BackingOff(Instant, Failure),
    GiveUp(AuthError),
}

impl TokenSlot {
    /// Waits until a token newer than the generation `newer_than` can be used; starts a fetch where none runs.
    ///
    /// Waits for as long as the slot allows, and to `deadline` at the most.
    pub(crate) fn wait(&self, newer_than: u64, deadline: Option<Instant>) -> Wait {
        let slot = self.clone();
        Box::pin(async move { slot.usable(newer_than, deadline).await })
    }

    async fn usable(&self, newer_than: u64, deadline: Option<Instant>) -> Result<(), AuthError> {
        let Ok(runtime) = Handle::try_current() else {
            return Err(self.error(Reason::NoRuntime));
        };
        let start = self.now();
        let longest = start + self.shared.timing.wait;
        let by_deadline = deadline.is_some_and(|deadline| deadline < longest);
        let deadline = deadline.map_or(longest, |deadline| deadline.min(longest));
        let mut mine = None;
        loop {
            // Without the lock, and without a place in the queue of listeners: all who have waited come by here at once.
            if self.has_newer(newer_than, self.shared.clock.now()) {
                return Ok(());
            }
            // Listening begins before the look: what changes in between is not missed.
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            let until = match self.step(newer_than, mine) {
                Step::Ready => return Ok(()),
                Step::GiveUp(error) => return Err(error),
                Step::Start(epoch) => {
                    self.start(epoch, &runtime);
                    mine = Some(epoch);
                    continue;
                }
                Step::BackingOff(until, why) if until >= deadline => {
                    return Err(self.because(Reason::BackingOff, why));
                }
                Step::Fetching(until) | Step::BackingOff(until, _) => until,
            };
            let now = self.now();
            if now >= deadline {
                let waited = now.saturating_duration_since(start);
                return Err(AuthError::timed_out(waited, by_deadline).of(&self.shared.name));
            }
            // The fetch's own timer is not relied upon: it stands still with a runtime that nobody drives.
            let _ = timeout_at(until.min(deadline), changed).await;
        }
    }

    fn step(&self, newer_than: u64, mine: Option<u64>) -> Step {
        let now = self.shared.clock.now();
        let book = self.shared.book.lock();
        if self.has_newer(newer_than, now) {
            return Step::Ready;
        }
        match self.ask(book, |life| life.next(now.mono, mine, fastrand::f64())) {
            Next::Start(epoch) => Step::Start(epoch),
            Next::Fetching(until) => Step::Fetching(until),
            Next::BackingOff(until, why) => Step::BackingOff(until, why),
            Next::Refused(why) => Step::GiveUp(self.because(Reason::Refused, why)),
            Next::LoggedOut => Step::GiveUp(self.error(Reason::LoggedOut)),
            Next::Lost => Step::GiveUp(self.error(Reason::FetchLost)),
        }
    }

    /// Whether a token newer than the generation `newer_than` can be used.
    fn has_newer(&self, newer_than: u64, now: Moment) -> bool {
        let current = self.shared.current.load();
        current
            .as_deref()
            .is_some_and(|current| current.generation > newer_than && current.is_usable(now))
    }

    fn now(&self) -> Instant {
        self.shared.clock.now().mono
    }

    fn error(&self, reason: Reason) -> AuthError {
        AuthError::new(reason).of(&self.shared.name)
    }

    fn because(&self, reason: Reason, why: Failure) -> AuthError {
        AuthError::because(reason, why).of(&self.shared.name)
    }
}
