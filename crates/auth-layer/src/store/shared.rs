//! What a source and its handles share, and how they get at the store.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout_at};

use super::boot::BootClock;
use super::decide::{Known, Next};
use super::limit::in_time;
use super::record::{Fingerprint, Record};
use super::session::{Held, Session, Work};
use super::stand::Stand;
use super::{GrantStore, StoreError, StoreState};
use crate::clock::{Clock, Moment};
use crate::token::in_this_fetch;
use crate::{Fetch, Grant, Secret, Source, SourceError};

pub(super) struct Shared {
    pub(super) source: Box<dyn Source>,
    pub(super) store: Box<dyn GrantStore>,
    settings: Mutex<Settings>,
    /// Held by whoever reads and writes the store.
    pub(super) work: Arc<tokio::sync::Mutex<Work>>,
    pub(super) stand: Stand,
    /// The access token that the slot was last given: what is not this one is news to it.
    handed: Mutex<Option<Fingerprint>>,
    /// How often the grant was cleared.
    clears: AtomicU64,
}

/// A place in line for the work. Dropped, it is given up.
pub(super) type Turn = Pin<Box<dyn Future<Output = OwnedMutexGuard<Work>> + Send>>;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) clock: Clock,
    pub(super) boot_clock: BootClock,
    pub(super) lock_wait: Duration,
    pub(super) answer_within: Duration,
    pub(super) leeway: Duration,
}

impl Shared {
    pub(super) fn new(source: Box<dyn Source>, store: Box<dyn GrantStore>) -> Self {
        Self {
            source,
            store,
            settings: Mutex::new(Settings {
                clock: Clock::default(),
                boot_clock: BootClock::default(),
                lock_wait: Duration::from_secs(5),
                answer_within: Duration::from_secs(300),
                leeway: Duration::ZERO,
            }),
            work: Arc::default(),
            stand: Stand::default(),
            handed: Mutex::default(),
            clears: AtomicU64::default(),
        }
    }

    pub(super) fn set(&self, set: impl FnOnce(&mut Settings)) {
        set(&mut self.settings.lock());
    }

    pub(super) async fn fetch(self: &Arc<Self>, fetch: Fetch) -> Result<Grant, SourceError> {
        self.stand.tell_by(&fetch.teller);
        // Before this fetch takes its turn: what is cleared later may come before it or after it.
        let clears = self.clears.load(Ordering::SeqCst);
        let (grant, fingerprint) = self.newest(fetch).await?;
        if self.clears.load(Ordering::SeqCst) != clears {
            return Err(SourceError::temporary(
                "the grant was cleared while it was renewed",
            ));
        }
        *self.handed.lock() = Some(fingerprint);
        Ok(grant)
    }

    async fn newest(self: &Arc<Self>, fetch: Fetch) -> Result<(Grant, Fingerprint), SourceError> {
        let deadline = after(self.settings().lock_wait);
        let work = self.work(self.line_up(), deadline).await?;
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
        let text = in_time(&*self.store, "reading", self.store.load()).await?;
        let Some(record) = self.read(text)? else {
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

    /// Takes a place in line for the work, at once and wherever this is called: those who come later have it later.
    pub(super) fn line_up(&self) -> Turn {
        // The lock is fair from the first poll on. Some versions of tokio put a task off before that which has used up its share of time.
        let lock = Arc::clone(&self.work).lock_owned();
        let mut turn: Turn = Box::pin(tokio::task::unconstrained(lock));
        match turn.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(work) => Box::pin(std::future::ready(work)),
            Poll::Pending => turn,
        }
    }

    /// The right to look at the work; an earlier renewal of this process may still hold it.
    async fn work(
        &self,
        turn: Turn,
        deadline: Instant,
    ) -> Result<OwnedMutexGuard<Work>, StoreError> {
        timeout_at(deadline, turn).await.map_err(|_| {
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
    pub(super) async fn open(self: &Arc<Self>, turn: Turn) -> Result<Session, StoreError> {
        let settings = self.settings();
        let renewal = settings.lock_wait.saturating_add(settings.answer_within);
        let work = self.work(turn, after(renewal)).await?;
        self.session(work, after(settings.lock_wait)).await
    }

    pub(super) fn read(&self, text: Option<Secret>) -> Result<Option<Record>, StoreError> {
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
        let settings = self.settings();
        Known {
            now: settings.clock.now(),
            since_boot: settings.boot_clock.now(),
            many_machines: self.store.has_many_machines(),
            handed: *self.handed.lock(),
            leeway: settings.leeway,
            unsent: work.unsent,
            opened: work.opened,
        }
    }

    pub(super) fn enter(&self, next: StoreState) {
        self.stand.enter(next, &self.store.place());
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
