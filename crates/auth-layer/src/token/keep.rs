//! The keeper: renews a token for calls that wait between gate and departure, where no call at the gate would do it.
//!
//! A fetch's own task becomes the keeper once the fetch has ended, and stays it until a newer fetch begins. It holds the slot
//! weakly, and ends with it. It renews a token that is due, or gone, as long as calls wait below the gate; after a
//! failure it keeps to the pauses of the backoff. Where nobody waits it ends: from then on the token is due, so that the next
//! call at the gate starts a renewal, and with it the next keeper. A keeper whose runtime is shut down is replaced in the same
//! way.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::life::Next;
use super::{Shared, TokenSlot};

/// However short tokens live, a keeper leaves this much time between them.
const SHORTEST: Duration = Duration::from_millis(100);

/// While calls wait, a keeper looks at the wall clock this often: timers stand still while a machine sleeps.
const LOOK: Duration = Duration::from_secs(10);

enum Step {
    Start(u64),
    /// Look again at this time, or as soon as something changes.
    Until(Instant),
    UntilChanged,
    End,
}

/// Keeps the token of a slot, as long as `epoch` is its newest fetch. `changed` is the slot's own.
pub(super) async fn keep(slot: Weak<Shared>, changed: Arc<Notify>, epoch: u64) {
    loop {
        // Listening begins before the look: what changes in between is not missed, nor is the end of the slot.
        let mut changed = pin!(changed.notified());
        changed.as_mut().enable();
        let step = match slot.upgrade() {
            Some(shared) => TokenSlot { shared }.tend(epoch),
            None => Step::End,
        };
        match step {
            Step::UntilChanged => changed.await,
            Step::Until(until) => {
                let _ = timeout_at(until, changed).await;
            }
            Step::Start(epoch) => {
                if let Some(shared) = slot.upgrade() {
                    TokenSlot { shared }.start(epoch, &Handle::current());
                }
                return;
            }
            Step::End => return,
        }
    }
}

impl TokenSlot {
    fn tend(&self, epoch: u64) -> Step {
        let shared = &*self.shared;
        let now = shared.clock.now();
        let book = shared.book.lock();
        if !book.life.is_newest(epoch) {
            return Step::End;
        }
        let in_demand = self.is_in_demand();
        if let Some(current) = shared.current.load().as_deref() {
            let Some(expiry) = current.expiry else {
                return Step::UntilChanged;
            };
            let earliest = current.published + SHORTEST;
            if now.mono < earliest || !expiry.soft.reached(now) {
                let due = expiry.soft.mono.max(earliest);
                let look = now.mono + LOOK;
                return Step::Until(if in_demand { due.min(look) } else { due });
            }
        }
        if !in_demand && book.life.may_start(now.mono) {
            return Step::End;
        }
        match self.ask(book, |life| life.next(now.mono, None, fastrand::f64())) {
            Next::Start(epoch) => Step::Start(epoch),
            Next::Fetching(until) | Next::BackingOff(until, _) => Step::Until(until),
            Next::Refused(_) | Next::LoggedOut => Step::UntilChanged,
            Next::Lost => Step::End,
        }
    }
}
