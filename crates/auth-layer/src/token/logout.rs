//! Logging out: at once here, and then at the server.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Shared, TokenSlot};
use crate::source::{EndedTokens, LogOut, LogOutFuture, begin_log_out};
use crate::{EventKind, SourceError};

impl TokenSlot {
    /// Throws token and refresh token away, and lets the source give them back at the server.
    ///
    /// When this returns its future, the slot is logged out: requests are refused as [`Reason::LoggedOut`](crate::Reason::LoggedOut)
    /// until [`changed`](Self::changed) says that somebody has logged in. A fetch that is under way loses: what it still brings
    /// is not used, and given back as well.
    ///
    /// The future waits for [`Source::log_out`](crate::Source::log_out), no longer than [`Slot::fetch_timeout`](crate::Slot::fetch_timeout).
    ///
    /// What is handed to a store or to the source from then on, the grant of the next login, is not touched by it, whether the future has
    /// been waited for or not.
    ///
    /// A request that has passed the gate and waits below it, for its place in a rate limit say, learns of it at the attacher, and is refused
    /// there.
    ///
    /// # Errors
    ///
    /// Where the server could not be told, or outside of a tokio runtime. The slot is logged out all the same; tokens that the
    /// server has not heard of live on there to their end. Outside of a runtime a [store](crate::store) keeps its grant too.
    ///
    /// # Cancellation
    ///
    /// The server is told by a task of its own.
    pub fn log_out(&self) -> impl Future<Output = Result<(), SourceError>> + Send + use<> {
        let name = &self.shared.name;
        // The source first: whoever hears of the logout may log in again at once.
        let (tell, log_out) = LogOut::new(name.clone());
        let giving_back = begin_log_out(&*self.shared.source, log_out);

        let mut book = self.shared.book.lock();
        book.life.log_out();
        let refresh_token = book.refresh_token.take();
        let current = self.shared.current.swap(None);
        self.shared.hub.tell(name, EventKind::LoggedOut);
        drop(book);
        self.shared.changed.notify_waiters();
        tracing::info!(slot = %name, "logged out");

        let token = current.and_then(|current| self.shared.scheme.secret(&current.value));
        tell.tell(EndedTokens {
            token,
            refresh_token,
        });
        let task = Handle::try_current().map(|runtime| {
            let shared = Arc::clone(&self.shared);
            runtime.spawn(async move { shared.wait_for(giving_back).await })
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
    /// Tells the source of tokens that came after the logout.
    pub(super) async fn give_back(&self, tokens: EndedTokens) -> Result<(), SourceError> {
        let log_out = LogOut::late(self.name.clone(), tokens);
        self.wait_for(begin_log_out(&*self.source, log_out)).await
    }

    async fn wait_for(&self, giving_back: LogOutFuture) -> Result<(), SourceError> {
        let told = tokio::time::timeout(self.timing.fetch, giving_back).await;
        told.unwrap_or_else(|elapsed| Err(SourceError::temporary(elapsed)))
    }
}
