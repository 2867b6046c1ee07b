//! A handle on what is kept.

use std::fmt;
use std::sync::Arc;

use super::clear::{Cleared, Clearing};
use super::record::Record;
use super::session::Session;
use super::shared::{Shared, joined};
use super::{StoreError, StoreState};
use crate::Grant;

/// A handle on the grant that a [`Stored`](super::Stored) keeps. Cloning it costs a reference count.
///
/// What it does runs in tasks of its own, on the caller's tokio runtime: a call that is dropped has happened or will, unless the
/// store could not be locked. Calls take effect in the order in which they are first polled, and a
/// [logout](crate::TokenSlot::log_out) in that of its call. It waits for a renewal of this process that runs, and for another process as long as
/// [`Stored::lock_wait`](super::Stored::lock_wait) says. A store that hangs has failed after 5 s.
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

impl StoredGrant {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Where this process stands with the store.
    pub fn state(&self) -> StoreState {
        self.shared.stand.state()
    }

    /// Keeps the grant of a new login, in place of whatever was kept, an open intent included. Every slot on the store, in
    /// whatever process, adopts it with its next fetch. One that has been refused asks again only after
    /// [`TokenSlot::changed`](crate::TokenSlot::changed); where the grant is to take effect at once, call
    /// [`TokenSlot::invalidate`](crate::TokenSlot::invalidate).
    ///
    /// # Errors
    ///
    /// Where the store cannot be locked or written, or holds what a newer program wrote: then nothing has changed. What was written
    /// before the store failed, a file that was renamed in a folder that could not be synced, say, is taken back. Where that cannot
    /// be done either, the error says that the store may hold the one grant or the other: put it again.
    pub async fn put(&self, grant: Grant) -> Result<(), StoreError> {
        self.run(|mut session| async move {
            let before = session.look_even_if_malformed().await?;
            let now = session.shared.now().wall;
            session.replace(before, Record::of(&grant, None, now)).await
        })
        .await
    }

    /// Forgets the grant, here and in the store, and says what it was. A renewal that runs does not bring it back: in this
    /// process it is waited for, and what it brings is not handed out; in another, the lock is waited for. A token that the slot has in use already stays
    /// there: call [`TokenSlot::invalidate`](crate::TokenSlot::invalidate) afterwards.
    ///
    /// # Errors
    ///
    /// Where the store cannot be locked, read or emptied: then the grant is still kept, unless the store failed after it had removed it,
    /// or did not answer in time and removes it yet. To call this again is safe.
    pub async fn clear(&self) -> Result<Option<Cleared>, StoreError> {
        let clearing = Clearing::begin(&self.shared);
        spawned(async {
            let (cleared, emptied) = clearing.finish().await;
            emptied.map(|()| cleared)
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
    /// Where the store cannot be locked, read or written: then nothing has changed, as [`put`](Self::put) has it.
    pub async fn forget_intent(&self) -> Result<bool, StoreError> {
        self.run(|mut session| async move {
            session.reload().await?;
            let intent = session.record().and_then(Record::open_intent);
            let Some(mut record) = session.record().cloned().filter(|_| intent.is_some()) else {
                return Ok(false);
            };
            record.intent = None;
            let before = session.look_even_if_malformed().await?;
            session.replace(before, record).await?;
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
        // At once: what is called later, a logout say, comes later.
        let turn = shared.line_up();
        spawned(async move { work(shared.open(turn).await?).await }).await
    }
}

/// Runs `work` to its end, also where nobody waits for it.
async fn spawned<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let dropped = || StoreError::temporary("the call was dropped with its runtime");
    joined(tokio::spawn(work).await).unwrap_or_else(|| Err(dropped()))
}

impl fmt::Debug for StoredGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredGrant")
            .field("place", &self.shared.store.place())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
