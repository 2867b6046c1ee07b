//! A renewing token: its state, and the shell around the pure parts.

mod answers;
mod failure;
mod fetch;
mod forget;
mod handle;
mod keep;
mod life;
mod logout;
mod refresh_token;
mod timing;
mod wait;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use call_context::SlotName;
use http::HeaderValue;
use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::fetch::in_this_fetch;
pub(crate) use self::forget::Forgettable;
pub use self::handle::UsableToken;
pub use self::life::Counts;
pub(crate) use self::timing::{Backoff, Timing};
pub(crate) use self::wait::Wait;

use self::life::Life;
use self::refresh_token::RefreshToken;
use self::timing::Expiry;
use crate::attach::Sent;
use crate::clock::{Clock, Moment, ServerTime};
use crate::events::Hub;
use crate::secret::Scheme;
use crate::{EventKind, Source};

/// A handle on one renewing token. Cloning it costs a reference count.
#[derive(Clone)]
pub struct TokenSlot {
    shared: Arc<Shared>,
}

struct Shared {
    name: SlotName,
    scheme: Scheme,
    source: Box<dyn Source>,
    timing: Timing,
    clock: Clock,
    hub: Arc<Hub>,
    /// Written under the lock of `book` alone, so that generations never run backwards.
    current: ArcSwapOption<Current>,
    book: Mutex<Book>,
    /// Each call between gate and departure holds a clone.
    demand: Arc<()>,
    changed: Arc<Notify>,
}

impl Drop for Shared {
    /// The keeper holds no slot, and would sleep on.
    fn drop(&mut self) {
        self.changed.notify_waiters();
    }
}

/// What changes seldom, under one short lock.
struct Book {
    life: Life,
    refresh_token: RefreshToken,
    /// As far as answers have told.
    server_time: Option<ServerTime>,
}

/// The token in use. It lives on as its header value alone.
struct Current {
    generation: u64,
    value: HeaderValue,
    /// `None`: nobody has said when it ends.
    expiry: Option<Expiry>,
    /// When it ends by the server's clock, where that is all that was said.
    ends: Option<SystemTime>,
    published: Instant,
    accepted: AtomicBool,
}

impl Current {
    #[inline]
    fn is_usable(&self, now: Moment) -> bool {
        !self.expiry.is_some_and(|expiry| expiry.hard.reached(now))
    }

    #[inline]
    fn is_due(&self, now: Moment) -> bool {
        self.expiry.is_some_and(|expiry| expiry.soft.reached(now))
    }
}

impl TokenSlot {
    pub(crate) fn new(
        name: SlotName,
        scheme: Scheme,
        source: Box<dyn Source>,
        timing: Timing,
        clock: Clock,
        hub: Arc<Hub>,
    ) -> Self {
        let book = Book {
            life: Life::new(timing),
            refresh_token: RefreshToken::default(),
            server_time: None,
        };
        Self {
            shared: Arc::new(Shared {
                name,
                scheme,
                source,
                timing,
                clock,
                hub,
                current: ArcSwapOption::empty(),
                book: Mutex::new(book),
                demand: Arc::default(),
                changed: Arc::default(),
            }),
        }
    }

    /// The slot's name.
    pub fn name(&self) -> &SlotName {
        &self.shared.name
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.shared.book.lock().life.counts()
    }

    /// Throws the token away, so that the next request waits for a new one. A fetch that runs already may bring it; for
    /// requests that wait between gate and attacher one starts at once.
    pub fn invalidate(&self) {
        let book = self.shared.book.lock();
        self.shared.current.store(None);
        drop(book);
        self.shared.changed.notify_waiters();
    }

    /// Says that something has changed: a permanent refusal is forgotten, and a pause ends.
    pub fn changed(&self) {
        self.shared.book.lock().life.change();
        self.shared.changed.notify_waiters();
    }

    pub(crate) fn through(&self) -> Option<SlotName> {
        self.shared.source.through()
    }

    /// What a call holds from the gate until it departs, and what it is counted by.
    pub(crate) fn demand(&self) -> Arc<()> {
        Arc::clone(&self.shared.demand)
    }

    fn is_in_demand(&self) -> bool {
        Arc::strong_count(&self.shared.demand) > 1
    }

    /// Whether the token can be used now. Where it is due, starts a renewal behind it; outside of a runtime that is left
    /// to a later request.
    pub(crate) fn is_ready(&self) -> bool {
        self.with_ready(|_| ()).is_some()
    }

    /// The same, and the token's header value, and what goes out with it.
    #[inline]
    pub(crate) fn ready_value(&self) -> Option<(HeaderValue, Sent)> {
        self.with_ready(|current| self.send(current))
    }

    #[inline]
    fn with_ready<T>(&self, read: impl FnOnce(&Current) -> T) -> Option<T> {
        let now = self.shared.clock.now();
        let current = self.shared.current.load();
        let current = current
            .as_deref()
            .filter(|current| current.is_usable(now))?;
        if current.is_due(now) {
            self.renew_behind(now);
        }
        Some(read(current))
    }

    /// Starts a renewal, where none runs and it is time for one.
    fn renew_behind(&self, now: Moment) {
        // The look alone is what each request does while a renewal runs, and all that it does.
        if !self.shared.book.lock().life.may_renew(now.mono) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let jitter = fastrand::f64();
        let book = self.shared.book.lock();
        let epoch = self.ask(book, |life| life.renew(now.mono, jitter));
        if let Some(epoch) = epoch {
            self.start(epoch, &runtime);
        }
    }

    /// Asks what is to be done, and tells where that has found the fetch timed out whose runtime nobody drives.
    fn ask<T>(&self, mut book: MutexGuard<'_, Book>, what: impl FnOnce(&mut Life) -> T) -> T {
        let before = book.life.counts().failures;
        let next = what(&mut book.life);
        let has_failed = book.life.counts().failures > before;
        let name = &self.shared.name;
        if has_failed {
            self.shared.hub.tell(name, EventKind::RenewalFailed);
        }
        // Whoever logs is the user's, and may come back to this slot.
        drop(book);
        if has_failed {
            tracing::warn!(slot = %name, "no new token: nobody drives the runtime of the fetch");
        }
        next
    }

    /// The newest token's header value, and what goes out with it, while it is usable.
    #[inline]
    pub(crate) fn value(&self) -> Option<(HeaderValue, Sent)> {
        let current = self.shared.current.load();
        let current = current.as_deref()?;
        current
            .is_usable(self.shared.clock.now())
            .then(|| self.send(current))
    }

    #[inline]
    fn send(&self, current: &Current) -> (HeaderValue, Sent) {
        let sent = match current.accepted.load(Ordering::Relaxed) {
            true => Sent::Known(self.clone(), current.generation),
            false => Sent::Token(self.clone(), current.generation),
        };
        (current.value.clone(), sent)
    }
}

impl fmt::Debug for TokenSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSlot")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}
