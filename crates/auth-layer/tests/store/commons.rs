//! A server that rotates refresh tokens and takes reuse for theft, and a store that fails on demand.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use auth_layer::store::{GrantStore, StoreError, StoreFuture, StoreLock, Stored, StoredGrant};
use auth_layer::{
    Auth, EventKind, Events, Fetch, Grant, Secret, Slot, SourceError, TokenSlot, source_fn,
};
use futures_util::FutureExt;

use crate::support::{Answer, Client, SECOND, Server, origin};

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes `r1`, then `r2`, and so on, once each. For the n-th it gives the access token `t(n+1)` and the next refresh token.
#[derive(Clone, Default)]
pub(crate) struct Issuer(Arc<Mutex<Issued>>);

#[derive(Default)]
struct Issued {
    taken: u64,
    grace: bool,
    reuses: u64,
    seen: Vec<String>,
}

impl Issuer {
    /// Takes the refresh token before the newest one again, and answers as it did before.
    pub(crate) fn with_grace() -> Self {
        let issuer = Self::default();
        lock(&issuer.0).grace = true;
        issuer
    }

    pub(crate) fn take(&self, fetch: &Fetch) -> Result<Grant, SourceError> {
        let mut issued = lock(&self.0);
        let Some(sent) = fetch.refresh_token() else {
            issued.seen.push("nothing".to_owned());
            return Err(SourceError::permanent("log in first"));
        };
        issued.seen.push(sent.expose().to_owned());
        let n: u64 = sent.expose()[1..].parse().expect("one of its own");
        if n == issued.taken + 1 {
            issued.taken = n;
        } else if !(issued.grace && n == issued.taken) {
            issued.reuses += 1;
            return Err(SourceError::invalid_grant("invalid_grant"));
        }
        let next = issued.taken + 1;
        Ok(Grant::new(format!("t{next}"))
            .refresh_token(format!("r{next}"))
            .lifetime(SECOND * 100))
    }

    /// The refresh tokens that it has seen, in order.
    pub(crate) fn seen(&self) -> Vec<String> {
        lock(&self.0).seen.clone()
    }

    pub(crate) fn reuses(&self) -> u64 {
        lock(&self.0).reuses
    }
}

/// How the store behaves when it is to save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Saving {
    #[default]
    Works,
    Fails,
    /// The text is there, and yet an error comes: a folder that could not be synced, say.
    FailsAfterwards,
    Hangs,
    HangsAfterwards,
}

/// What of a store takes longer than anybody waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stuck {
    #[default]
    Nothing,
    /// Answers after 30 s with what was there when it was asked.
    Reading,
    /// The same, where it is asked under the lock.
    LockedReading,
    /// Removes nothing, and never answers.
    Removing,
    /// The text is gone, and yet no answer comes.
    AfterRemoving,
}

/// A store that shows what it keeps, and saves as it is told to.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    text: Arc<Mutex<Option<String>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    saving: Arc<Mutex<Vec<Saving>>>,
    attempts: Arc<AtomicU64>,
    keeps: Arc<AtomicBool>,
    stuck: Arc<Mutex<Stuck>>,
}

impl Shelf {
    pub(crate) fn text(&self) -> Option<String> {
        lock(&self.text).clone()
    }

    /// Replaces the text behind everybody's back.
    pub(crate) fn set(&self, text: impl Into<String>) {
        *lock(&self.text) = Some(text.into());
    }

    /// The next saves go like this, one after the other, and the last one's way from then on.
    pub(crate) fn script(&self, saving: impl Into<Vec<Saving>>) {
        *lock(&self.saving) = saving.into();
    }

    /// From now on, nothing can be removed.
    pub(crate) fn keep_all(&self) {
        self.keeps.store(true, Ordering::SeqCst);
    }

    pub(crate) fn stick(&self, stuck: Stuck) {
        *lock(&self.stuck) = stuck;
    }

    fn stuck(&self) -> Stuck {
        *lock(&self.stuck)
    }

    async fn read(&self, slow: bool) -> Result<Option<Secret>, StoreError> {
        let text = self.text().map(Secret::from);
        if slow {
            tokio::time::sleep(SECOND * 30).await;
        }
        Ok(text)
    }

    /// How often it was asked to save.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::SeqCst)
    }

    pub(crate) fn has(&self, part: &str) -> bool {
        self.text().is_some_and(|text| text.contains(part))
    }
}

impl GrantStore for Shelf {
    fn load(&self) -> StoreFuture<'_, Option<Secret>> {
        Box::pin(self.read(self.stuck() == Stuck::Reading))
    }

    fn lock(&self) -> StoreFuture<'_, Box<dyn StoreLock>> {
        Box::pin(async {
            let turn = Arc::clone(&self.turn).lock_owned().await;
            Ok(Box::new(ShelfLock(self.clone(), turn)) as Box<dyn StoreLock>)
        })
    }

    fn place(&self) -> String {
        "the shelf".to_owned()
    }
}

struct ShelfLock(
    Shelf,
    #[expect(dead_code, reason = "held")] tokio::sync::OwnedMutexGuard<()>,
);

impl StoreLock for ShelfLock {
    fn load(&mut self) -> StoreFuture<'_, Option<Secret>> {
        Box::pin(self.0.read(self.0.stuck() == Stuck::LockedReading))
    }

    fn save(&mut self, text: Secret) -> StoreFuture<'_, ()> {
        self.0.attempts.fetch_add(1, Ordering::SeqCst);
        let saving = {
            let mut script = lock(&self.0.saving);
            match script.len() {
                0 => Saving::default(),
                1 => script[0],
                _ => script.remove(0),
            }
        };
        Box::pin(async move {
            if saving == Saving::Hangs {
                return std::future::pending().await;
            }
            if saving != Saving::Fails {
                self.0.set(text.expose());
            }
            match saving {
                Saving::Works => Ok(()),
                Saving::HangsAfterwards => std::future::pending().await,
                _ => Err(StoreError::temporary("no space left")),
            }
        })
    }

    fn remove(&mut self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            if self.0.keeps.load(Ordering::SeqCst) {
                return Err(StoreError::temporary("read-only"));
            }
            let stuck = self.0.stuck();
            if stuck == Stuck::Removing {
                return std::future::pending().await;
            }
            *lock(&self.0.text) = None;
            if stuck == Stuck::AfterRemoving {
                return std::future::pending().await;
            }
            Ok(())
        })
    }
}

/// One process's worth of slot on a store.
pub(crate) struct Process {
    pub(crate) auth: Auth,
    pub(crate) server: Server,
    pub(crate) client: Client,
    pub(crate) grant: StoredGrant,
}

impl Process {
    /// Asks the issuer at once.
    pub(crate) fn new(issuer: &Issuer, store: impl GrantStore) -> Self {
        let issuer = issuer.clone();
        Self::with(store, move |_, fetch| {
            let issuer = issuer.clone();
            Box::pin(async move { issuer.take(&fetch) })
        })
    }

    /// Answers the n-th fetch, counted from 1, as the script says.
    pub(crate) fn with<F>(store: impl GrantStore, script: F) -> Self
    where
        F: Fn(u64, Fetch) -> Answer + Send + Sync + 'static,
    {
        Self::of(Stored::new(scripted(script), store))
    }

    pub(crate) fn of(stored: Stored) -> Self {
        Self::slot(stored, |slot| slot)
    }

    pub(crate) fn slot(stored: Stored, set: impl FnOnce(Slot) -> Slot) -> Self {
        let grant = stored.grant();
        let slot = Slot::token("wallet", stored)
            .origin(origin())
            .backoff(SECOND, SECOND);
        let auth = Auth::single(set(slot)).expect("a valid slot");
        let server = Server::default();
        let client = server.behind(auth.layer());
        Self {
            auth,
            server,
            client,
            grant,
        }
    }

    /// The events so far, without those of `Renewed`.
    pub(crate) fn heard(events: &mut Events) -> Vec<EventKind> {
        let heard = std::iter::from_fn(|| events.next().now_or_never().flatten());
        let kinds = heard.map(|event| {
            assert_eq!(event.slot.as_str(), "wallet");
            event.kind
        });
        kinds.filter(|kind| *kind != EventKind::Renewed).collect()
    }

    pub(crate) fn token(&self) -> &TokenSlot {
        self.auth.token("wallet").expect("a token slot")
    }

    /// Sends a request, and gives the number of the access token that went with it.
    pub(crate) async fn send(&self) -> u64 {
        let credential = crate::support::send(&self.client).await.expect("a token");
        let number = credential.strip_prefix("Bearer t").expect("a token");
        number.parse().expect("a number")
    }

    /// The whole chain of the refusal that a request meets.
    pub(crate) async fn refusal(&self) -> String {
        let error = crate::support::send(&self.client)
            .await
            .expect_err("a refusal");
        crate::support::chain(&*error)
    }

    /// Logs in with `t1` and `r1`.
    pub(crate) async fn log_in(&self) {
        self.grant.put(first()).await.expect("stored");
    }

    /// Logs in with `t7` and `r7`.
    pub(crate) async fn log_in_anew(&self) {
        self.grant.put(seventh()).await.expect("stored");
    }

    /// Throws the token away, and gets the next one.
    pub(crate) async fn renew(&self) -> u64 {
        self.token().invalidate();
        self.send().await
    }
}

pub(crate) fn scripted<F>(script: F) -> impl auth_layer::Source
where
    F: Fn(u64, Fetch) -> Answer + Send + Sync + 'static,
{
    let fetches = AtomicU64::new(0);
    source_fn(move |fetch| script(fetches.fetch_add(1, Ordering::SeqCst) + 1, fetch))
}

pub(crate) fn first() -> Grant {
    Grant::new("t1").refresh_token("r1").lifetime(SECOND * 100)
}

pub(crate) fn seventh() -> Grant {
    Grant::new("t7").refresh_token("r7").lifetime(SECOND * 100)
}
