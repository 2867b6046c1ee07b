//! What a source is told of a logout: at once that it begins, and then which tokens the slot had.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use call_context::SlotName;
use tokio::sync::oneshot;

use super::{Source, SourceError};
use crate::Secret;

/// The future that [`Source::log_out`] returns.
pub type LogOutFuture = Pin<Box<dyn Future<Output = Result<(), SourceError>> + Send>>;

/// A logout that begins.
pub struct LogOut {
    slot: SlotName,
    tokens: oneshot::Receiver<EndedTokens>,
    late: bool,
}

/// The tokens that are used no more.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct EndedTokens {
    /// The token that was in use, if any was.
    pub token: Option<Secret>,
    /// The newest refresh token, if there was one.
    pub refresh_token: Option<Secret>,
}

/// Where the tokens go that a [`LogOut`] waits for.
pub(crate) struct TellTokens(oneshot::Sender<EndedTokens>);

impl LogOut {
    /// A logout of `slot`, which is told its tokens later.
    pub(crate) fn new(slot: SlotName) -> (TellTokens, Self) {
        let (tell, tokens) = oneshot::channel();
        let log_out = Self {
            slot,
            tokens,
            late: false,
        };
        (TellTokens(tell), log_out)
    }

    /// What came of a fetch that has outlasted a logout.
    pub(crate) fn late(slot: SlotName, tokens: EndedTokens) -> Self {
        let (tell, log_out) = Self::new(slot);
        tell.tell(tokens);
        Self {
            late: true,
            ..log_out
        }
    }

    /// The slot that is logged out.
    pub fn slot(&self) -> &SlotName {
        &self.slot
    }

    /// Whether the tokens came out of a fetch that ended after the logout: what the source has kept since then may be another
    /// login's, and is to stay.
    pub fn is_late(&self) -> bool {
        self.late
    }

    /// Waits for the tokens that the slot had: first the slot lets go of them, and a [store](crate::store) too.
    pub async fn tokens(self) -> EndedTokens {
        // Whoever was to tell them was dropped half-way: then there are none.
        self.tokens.await.unwrap_or_default()
    }
}

impl TellTokens {
    pub(crate) fn tell(self, tokens: EndedTokens) {
        // An error says that the source does not want to know.
        let _ = self.0.send(tokens);
    }
}

/// Lets `source` take what it keeps. Where it panics, the future says that it failed; the message is dropped unread, since it may
/// quote a secret.
pub(crate) fn begin_log_out(source: &dyn Source, log_out: LogOut) -> LogOutFuture {
    catch_unwind(AssertUnwindSafe(|| source.log_out(log_out)))
        .unwrap_or_else(|_| Box::pin(async { Err(SourceError::temporary("the source panicked")) }))
}

impl fmt::Debug for LogOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogOut")
            .field("slot", &self.slot)
            .field("late", &self.late)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EndedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndedTokens").finish_non_exhaustive()
    }
}
