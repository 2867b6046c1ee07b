//! A source whose grants are kept in a store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use call_context::SlotName;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout_at};

use super::decide::{Known, Next};
use super::record::{Fingerprint, Record};
use super::renewal::{Held, Session, Work};
use super::{GrantStore, StoreError, StoreState, StoredGrant};
use crate::clock::{Clock, Moment};
use crate::token::in_this_fetch;
use crate::{Fetch, Grant, GrantFuture, Source, SourceError};

/// A source that keeps the grants of another one in a [`GrantStore`], and spends its refresh token once.
///
/// The source inside is handed the refresh token that the store holds, and nothing else; where the store is empty it has
/// none, and begins anew or [refuses](SourceError::permanent). The [module's page](super) says what is guaranteed.
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

pub(super) struct Shared {
    pub(super) source: Box<dyn Source>,
    pub(super) store: Box<dyn GrantStore>,
    settings: Mutex<Settings>,
    /// Held by whoever reads and writes the store.
    pub(super) work: Arc<tokio::sync::Mutex<Work>>,
    pub(super) state: Mutex<StoreState>,
    /// The access token that the slot was last given: what is not this one is news to it.
    handed: Mutex<Option<Fingerprint>>,
    /// How often the grant was cleared.
    clears: AtomicU64,
}

#[derive(Clone)]
pub(super) struct Settings {
    clock: Clock,
    lock_wait: Duration,
    pub(super) answer_within: Duration,
    leeway: Duration,
}

impl Stored {
    /// Keeps the grants of `source` in `store`.
    pub fn new(source: impl Source, store: impl GrantStore) -> Self {
        Self {
            shared: Arc::new(Shared {
                source: Box::new(source),
                store: Box::new(store),
                settings: Mutex::new(Settings {
                    clock: Clock::default(),
                    lock_wait: Duration::from_secs(5),
                    answer_within: Duration::from_secs(300),
                    leeway: Duration::ZERO,
                }),
                work: Arc::default(),
                state: Mutex::default(),
                handed: Mutex::default(),
                clears: AtomicU64::default(),
            }),
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
    /// leave room for the journey. [`Duration::MAX`] declares that refresh tokens are never used up.
    #[must_use]
    pub fn reuse_leeway(self, leeway: Duration) -> Self {
        self.set(|settings| settings.leeway = leeway)
    }

    /// Replaces the wall clock, so that a test can move it.
    #[must_use]
    pub fn wall_clock(self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.clock = Clock::with_wall(now))
    }

    /// A handle on what is kept: to log in and out, and to say what has become of a lost answer.
    pub fn grant(&self) -> StoredGrant {
        StoredGrant::new(Arc::clone(&self.shared))
    }

    fn set(self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.shared.settings.lock());
        self
    }
}

impl Source for Stored {
    fn fetch(&self, fetch: Fetch) -> GrantFuture<'_> {
        Box::pin(async move {
            let clears = self.shared.clears.load(Ordering::SeqCst);
            let (grant, fingerprint) = self.shared.newest(fetch).await?;
            if self.shared.clears.load(Ordering::SeqCst) != clears {
                return Err(SourceError::temporary(
                    "the grant was cleared while it was renewed",
                ));
            }
            *self.shared.handed.lock() = Some(fingerprint);
            Ok(grant)
        })
    }

    fn through(&self) -> Option<SlotName> {
        self.shared.source.through()
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("place", &self.shared.store.place())
            .finish_non_exhaustive()
    }
}

impl Shared {
    async fn newest(self: &Arc<Self>, fetch: Fetch) -> Result<(Grant, Fingerprint), SourceError> {
        let deadline = after(self.settings().lock_wait);
        let work = self.work(deadline).await?;
        let session = if work.held.is_some() {
            Session::new(Arc::clone(self), work)
        } else {
            // What another process has brought can be adopted without the lock, which it may hold for its next renewal.
            if let Some(adopted) = self.look(&work).await? {
                return Ok(adopted);
            }
            self.session(work, deadline).await?
        };
        // From here on nothing may be dropped half-way.
        let renewal = tokio::spawn(in_this_fetch(session.renew(fetch)));
        match joined(renewal.await) {
            Some(result) => result,
            None => Err(SourceError::temporary(
                "the renewal was dropped with its runtime",
            )),
        }
    }

    async fn look(&self, work: &Work) -> Result<Option<(Grant, Fingerprint)>, SourceError> {
        let Some(record) = self.read(self.store.load().await?)? else {
            return Ok(None);
        };
        let adopted = match self.known(work).adopt(&record) {
            Some(Next::Adopt(grant, fingerprint)) => Some((grant, fingerprint)),
            _ => None,
        };
        if adopted.is_some() {
            self.enter(StoreState::Saved);
        }
        Ok(adopted)
    }

    /// The right to look at the work; an earlier renewal of this process may still hold it.
    async fn work(&self, deadline: Instant) -> Result<OwnedMutexGuard<Work>, StoreError> {
        let work = Arc::clone(&self.work).lock_owned();
        timeout_at(deadline, work).await.map_err(|_| {
            StoreError::temporary(format!(
                "an earlier renewal of the grant in {} has not ended yet",
                self.store.place()
            ))
        })
    }

    /// The exclusive right to the store.
    async fn session(
        self: &Arc<Self>,
        mut work: OwnedMutexGuard<Work>,
        deadline: Instant,
    ) -> Result<Session, StoreError> {
        if work.held.is_none() {
            let lock = timeout_at(deadline, self.store.lock()).await;
            let lock = lock.map_err(|_| {
                StoreError::temporary(format!(
                    "another holder of the lock of {} has not given it back within {:?}",
                    self.store.place(),
                    self.settings().lock_wait
                ))
            })??;
            work.held = Some(Held::new(lock));
        }
        Ok(Session::new(Arc::clone(self), work))
    }

    /// The exclusive right to the store, for a handle.
    pub(super) async fn open(self: &Arc<Self>) -> Result<Session, StoreError> {
        let settings = self.settings();
        let renewal = settings.lock_wait.saturating_add(settings.answer_within);
        let work = self.work(after(renewal)).await?;
        self.session(work, after(settings.lock_wait)).await
    }

    pub(super) fn read(&self, text: Option<crate::Secret>) -> Result<Option<Record>, StoreError> {
        let place = self.store.place();
        let record = text.map(|text| Record::decode(&text, &place)).transpose();
        Ok(record?)
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings.lock().clone()
    }

    pub(super) fn now(&self) -> Moment {
        self.settings.lock().clock.now()
    }

    pub(super) fn known(&self, work: &Work) -> Known {
        Known {
            now: self.now(),
            handed: *self.handed.lock(),
            leeway: self.settings().leeway,
            unsent: work.unsent,
            opened: work.opened,
        }
    }

    pub(super) fn enter(&self, state: StoreState) {
        *self.state.lock() = state;
    }

    /// What a renewal that runs still brings is not handed out.
    pub(super) fn note_clear(&self) {
        self.clears.fetch_add(1, Ordering::SeqCst);
    }
}

/// The longest wait that is waited; longer ones could overflow a clock.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

fn after(wait: Duration) -> Instant {
    Instant::now() + wait.min(LONGEST)
}

/// The result of a task; `None` where it was dropped with its runtime. Its panic goes on in whoever waits for it.
pub(super) fn joined<T>(result: Result<T, tokio::task::JoinError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}
