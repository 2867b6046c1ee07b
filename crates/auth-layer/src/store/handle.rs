//! A handle on what is kept.

use std::fmt;
use std::sync::Arc;

use super::record::{Record, Unreadable};
use super::session::Session;
use super::shared::{Shared, joined};
use super::{StoreError, StoreState};
use crate::{Grant, Secret};

/// A handle on the grant that a [`Stored`](super::Stored) keeps. Cloning it costs a reference count.
///
/// What it does runs in tasks of its own, on the caller's tokio runtime: a call that is dropped has happened or will, unless the
/// store could not be locked. It waits for a renewal of this process that runs, and for another process as long as
/// [`Stored::lock_wait`](super::Stored::lock_wait) says.
///
/// A source must not wait for it in its own fetch, which would be to wait for itself: what it returns is kept anyway.
///
/// # Panics
///
/// Its methods panic outside of a tokio runtime.
#[derive(Clone)]
pub struct StoredGrant {
    shared: Arc<Shared>,
}

/// What was kept until it was cleared, so that it can be revoked at the server (RFC 7009).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Cleared {
    /// The access token; empty where a refresh token alone was [put](Grant::refresh_only) and not spent yet.
    pub access_token: Secret,
    /// The refresh token, if there was one.
    pub refresh_token: Option<Secret>,
}

impl StoredGrant {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Where this process stands with the store.
    pub fn state(&self) -> StoreState {
        *self.shared.state.lock()
    }

    /// Keeps the grant of a new login, in place of whatever was kept, an open intent included. Every slot on the store, in
    /// whatever process, adopts it with its next fetch. One that has been refused asks again only after
    /// [`TokenSlot::changed`](crate::TokenSlot::changed); where the grant is to take effect at once, call
    /// [`TokenSlot::invalidate`](crate::TokenSlot::invalidate).
    ///
    /// # Errors
    ///
    /// Where the store cannot be locked or written, or holds what a newer program wrote: then nothing has changed.
    pub async fn put(&self, grant: Grant) -> Result<(), StoreError> {
        self.run(|mut session| async move {
            let earlier = session.look_even_if_malformed().await?;
            let now = session.shared.now().wall;
            session
                .replace(Record::of(&grant, None, now))
                .await
                .inspect_err(|_| {
                    if let Some(held) = session.work.held.as_mut() {
                        held.record = earlier;
                    }
                })
        })
        .await
    }

    /// Forgets the grant, here and in the store, and says what it was. A renewal that runs does not bring it back: in this
    /// process it is waited for, and what it brings is not handed out; in another, the lock is waited for. A token that the slot has in use already stays
    /// there: call [`TokenSlot::invalidate`](crate::TokenSlot::invalidate) afterwards.
    ///
    /// # Errors
    ///
    /// Where the store cannot be locked or emptied: then the grant is still kept.
    pub async fn clear(&self) -> Result<Option<Cleared>, StoreError> {
        self.shared.note_clear();
        self.run(|mut session| async move {
            let record = session.look_even_if_malformed().await?;
            if let Some(held) = session.work.held.as_mut() {
                held.lock.remove().await?;
                held.record = None;
                held.unsaved = false;
            }
            session.shared.enter(StoreState::Unknown);
            // Once more: a fetch may have begun after the first, before there was nothing.
            session.shared.note_clear();
            Ok(record.map(|record| Cleared {
                access_token: record.access_token,
                refresh_token: record.refresh_token,
            }))
        })
        .await
    }

    /// Says that the refresh token was not used up by the renewal whose answer was lost, so that it is sent again; `false` where
    /// no such renewal is on record. Call [`TokenSlot::changed`](crate::TokenSlot::changed) afterwards.
    ///
    /// A server that rotates refresh tokens may take a second use for theft, and revoke all that came of the login.
    ///
    /// # Errors
    ///
    /// Where the store cannot be locked, read or written.
    pub async fn forget_intent(&self) -> Result<bool, StoreError> {
        self.run(|mut session| async move {
            session.reload().await?;
            let intent = session.record().and_then(Record::open_intent);
            let Some(mut record) = session.record().cloned().filter(|_| intent.is_some()) else {
                return Ok(false);
            };
            record.intent = None;
            session.replace(record).await?;
            Ok(true)
        })
        .await
    }

    async fn run<T, F>(
        &self,
        work: impl FnOnce(Session) -> F + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move { work(shared.open().await?).await });
        let dropped = || StoreError::temporary("the call was dropped with its runtime");
        joined(task.await).unwrap_or_else(|| Err(dropped()))
    }
}

impl Session {
    /// What is kept, or nothing where that cannot be read. What a newer program wrote is left alone.
    async fn look_even_if_malformed(&mut self) -> Result<Option<Record>, StoreError> {
        if self.is_unsaved() {
            return Ok(self.record().cloned());
        }
        let Some(held) = self.work.held.as_mut() else {
            return Ok(None);
        };
        let Some(text) = held.lock.load().await? else {
            return Ok(None);
        };
        match Record::decode(&text, &self.shared.store.place()) {
            Ok(record) => Ok(Some(record)),
            Err(Unreadable::Malformed(_)) => Ok(None),
            Err(error @ Unreadable::Version(_)) => Err(error.into()),
        }
    }

    async fn replace(&mut self, record: Record) -> Result<(), StoreError> {
        if let Some(held) = self.work.held.as_mut() {
            held.record = Some(record);
        }
        self.save().await
    }
}

impl fmt::Debug for StoredGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredGrant")
            .field("place", &self.shared.store.place())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
