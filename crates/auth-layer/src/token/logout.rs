//! Logging out: at once here, and then at the server.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Shared, TokenSlot};
use crate::{EventKind, LogOut, Secret, SourceError};

impl TokenSlot {
    /// Throws token and refresh token away, and lets the source give them back at the server.
    ///
    /// When this returns its future, the slot is logged out: requests are refused as [`Reason::LoggedOut`](crate::Reason::LoggedOut)
    /// until [`changed`](Self::changed) says that somebody has logged in. A fetch that is under way loses: what it still brings
    /// is not used, and given back as well.
    ///
    /// The future waits for [`Source::log_out`](crate::Source::log_out), no longer than [`Slot::fetch_timeout`](crate::Slot::fetch_timeout).
    ///
    /// Wait for it before the grant of the next login is handed to a store or to the source: what the source forgets and gives back is
    /// what is there when it comes to that. A login that is handed over earlier may be taken for the one that ends.
    ///
    /// # Errors
    ///
    /// Where the server could not be told, or outside of a tokio runtime. The slot is logged out all the same; tokens that the
    /// server has not heard of live on there to their end.
    ///
    /// # Cancellation
    ///
    /// The server is told by a task of its own.
    pub fn log_out(&self) -> impl Future<Output = Result<(), SourceError>> + Send + use<> {
        let mut book = self.shared.book.lock();
        book.life.log_out();
        let refresh_token = book.refresh_token.take();
        let current = self.shared.current.swap(None);
        let name = &self.shared.name;
        self.shared.hub.tell(name, EventKind::LoggedOut);
        drop(book);
        self.shared.changed.notify_waiters();
        tracing::info!(slot = %name, "logged out");

        let token = current.and_then(|current| self.shared.scheme.secret(&current.value));
        let task = Handle::try_current().map(|runtime| {
            let shared = Arc::clone(&self.shared);
            runtime.spawn(async move { shared.give_back(token, refresh_token, false).await })
        });
        async {
            let told = match task {
                Ok(task) => task.await,
                Err(error) => return Err(SourceError::temporary(error)),
            };
            // A message of a panic may quote a secret.
            told.unwrap_or_else(|_| Err(SourceError::temporary("the source came to no end")))
        }
    }
}

impl Shared {
    /// Tells the source that these tokens are used no more; `late` ones came after the logout.
    pub(super) async fn give_back(
        &self,
        token: Option<Secret>,
        refresh_token: Option<Secret>,
        late: bool,
    ) -> Result<(), SourceError> {
        let log_out = LogOut {
            slot: self.name.clone(),
            token,
            refresh_token,
            late,
        };
        let told = tokio::time::timeout(self.timing.fetch, self.source.log_out(log_out)).await;
        told.unwrap_or_else(|elapsed| Err(SourceError::temporary(elapsed)))
    }
}
