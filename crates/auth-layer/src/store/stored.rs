//! A source whose grants are kept in a store.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use call_context::SlotName;

use super::boot::BootClock;
use super::clear::{Cleared, Clearing};
use super::shared::{Settings, Shared, joined};
use super::{GrantStore, StoreState, StoredGrant};
use crate::clock::Clock;
use crate::source::begin_log_out;
use crate::{EndedTokens, Fetch, GrantFuture, LogOut, LogOutFuture, Source, SourceError};

/// A source that keeps the grants of another one in a [`GrantStore`], and spends its refresh token once.
///
/// The source inside is handed the refresh token that the store holds, and nothing else; where the store is empty it has
/// none, and begins anew or [refuses](crate::SourceError::permanent). The [module's page](super) says what is guaranteed.
///
/// One place holds one grant: two logins that are kept in the same place are taken for each other.
///
/// ```
/// use auth_layer::store::{MemoryStore, Stored};
/// use auth_layer::{Grant, Slot, SourceError, source_fn};
///
/// let renew = source_fn(|fetch| async move {
///     let Some(_refresh_token) = fetch.refresh_token() else {
///         return Err(SourceError::permanent("log in first"));
///     };
///     // Send it to the token endpoint here.
///     Ok(Grant::new("a.b.d").expires_in(3600).refresh_token("r2"))
/// });
/// let stored = Stored::new(renew, MemoryStore::new());
/// let login = stored.grant();
/// let slot = Slot::token("wallet", stored);
/// # let _ = (login, slot);
/// ```
///
/// # Defaults
///
/// | what | default | setter |
/// | --- | --- | --- |
/// | waits for the store's lock | 5 s | [`lock_wait`](Self::lock_wait) |
/// | the store has to read, write or empty within | 5 s each | – |
/// | the source has to answer within | 5 min | [`answer_within`](Self::answer_within) |
/// | the server takes a used refresh token again | not at all | [`reuse_leeway`](Self::reuse_leeway) |
///
/// # Cancellation
///
/// A fetch that is dropped while it waits for the lock leaves nothing behind. From then on the renewal is a task of its own,
/// which ends by itself also when the slot has [given up](crate::Slot::fetch_timeout): the next fetch hands out what it has
/// brought. Only the end of its runtime ends it early.
///
/// # Panics
///
/// A panic of the source inside is passed on, and counts as an answer that was lost.
pub struct Stored {
    shared: Arc<Shared>,
}

impl Stored {
    /// Keeps the grants of `source` in `store`.
    pub fn new(source: impl Source, store: impl GrantStore) -> Self {
        Self {
            shared: Arc::new(Shared::new(Box::new(source), Box::new(store))),
        }
    }

    /// Waits this long for the store's lock, and for an earlier renewal of this slot. Then the fetch fails for now. Less than
    /// the slot's [`fetch_timeout`](crate::Slot::fetch_timeout), so that the refusal says what was waited for.
    #[must_use]
    pub fn lock_wait(self, longest: Duration) -> Self {
        self.set(|settings| settings.lock_wait = longest)
    }

    /// Gives the source this much time to answer, however early the slot gives up. The store is locked for as long. An answer
    /// that comes later is lost, and a rotated refresh token with it: be generous.
    #[must_use]
    pub fn answer_within(self, longest: Duration) -> Self {
        self.set(|settings| settings.answer_within = longest)
    }

    /// Declares that the server takes a used refresh token again for this long after its first use, and answers as it did
    /// before. Some call it a grace or overlap period.
    ///
    /// Within it, a renewal whose answer was lost is repeated instead of left to a human. Counted from before the first use;
    /// leave room for the journey. No clock that was set stretches it on a machine that goes on, since its own clock counts besides the
    /// wall clock. Once it was started anew, a leeway in a file is over; where a store [is of many
    /// machines](GrantStore::has_many_machines), their wall clocks are believed. [`Duration::MAX`] declares that refresh tokens are never used up.
    #[must_use]
    pub fn reuse_leeway(self, leeway: Duration) -> Self {
        self.set(|settings| settings.leeway = leeway)
    }

    /// Replaces the wall clock, so that a test can move it.
    #[must_use]
    pub fn wall_clock(self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.clock = Clock::with_wall(now))
    }

    /// Replaces the clock that counts from the machine's start, also while it sleeps, and the name of that start: so that a test can move
    /// it, and for machines of which this crate knows none. It knows Linux's, with the feature `file-store`.
    ///
    /// It bounds a [leeway](Self::reuse_leeway) where the wall clock was set back.
    #[must_use]
    pub fn boot_clock(
        self,
        boot: impl AsRef<str>,
        now: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.boot_clock = BootClock::with(boot.as_ref(), now))
    }

    /// A handle on what is kept: to log in and out, and to say what has become of a lost answer.
    pub fn grant(&self) -> StoredGrant {
        StoredGrant::new(Arc::clone(&self.shared))
    }

    fn set(self, set: impl FnOnce(&mut Settings)) -> Self {
        self.shared.set(set);
        self
    }
}

impl Source for Stored {
    fn fetch(&self, fetch: Fetch) -> GrantFuture<'_> {
        Box::pin(self.shared.fetch(fetch))
    }

    fn through(&self) -> Option<SlotName> {
        self.shared.source.through()
    }

    /// Forgets what is kept, and has the source inside give it back; it is told also where the store cannot be emptied. What is
    /// [put](StoredGrant::put) after this call stays.
    ///
    /// Where a renewal keeps the store longer than the slot waits, that is still done, in a task of its own.
    fn log_out(&self, log_out: LogOut) -> LogOutFuture {
        if log_out.is_late() {
            return self.shared.source.log_out(log_out);
        }
        let clearing = Clearing::begin(&self.shared);
        let slot = log_out.slot().clone();
        let place = self.shared.store.place();
        let (tell, inside) = LogOut::new(slot.clone());
        let giving_back = begin_log_out(&*self.shared.source, inside);
        Box::pin(async move {
            let task = tokio::spawn(async move {
                let (kept, emptied) = clearing.finish_for_good().await;
                if let Err(error) = &emptied {
                    // Nobody may wait for the future that says so.
                    tracing::error!(
                        slot = %slot,
                        store = place,
                        error = error as &(dyn std::error::Error + 'static),
                        "logged out here, but the store may still hold the grant: `StoredGrant::clear` tries again"
                    );
                }
                tell.tell(to_end(kept, log_out.tokens().await));
                let given = giving_back.await;
                emptied.map_err(SourceError::temporary).and(given)
            });
            let dropped = || SourceError::temporary("the logout was dropped with its runtime");
            joined(task.await).unwrap_or_else(|| Err(dropped()))
        })
    }

    /// Not while a grant is in memory alone, since it could not be saved.
    fn can_be_forgotten(&self, slot_has_refresh_token: bool) -> bool {
        !slot_has_refresh_token && self.grant().state() != StoreState::Unsaved
    }
}

/// What is to be given back: what was kept, which is newer, or else what the slot had.
fn to_end(kept: Option<Cleared>, slots: EndedTokens) -> EndedTokens {
    let (token, refresh_token) = match kept {
        Some(kept) => (Some(kept.access_token), kept.refresh_token),
        None => (None, None),
    };
    let token = token.filter(|token| !token.expose().is_empty());
    EndedTokens {
        token: token.or(slots.token),
        refresh_token: refresh_token.or(slots.refresh_token),
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("place", &self.shared.store.place())
            .finish_non_exhaustive()
    }
}
