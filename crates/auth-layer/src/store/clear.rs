//! Forgetting a grant: a place in line is taken at once, and the grant forgotten when it is one's turn.

use std::sync::Arc;

use super::StoreError;
use super::limit::in_time;
use super::session::Session;
use super::shared::{Shared, Turn};
use crate::Secret;

/// What was kept until it was cleared, so that it can be revoked at the server (RFC 7009).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Cleared {
    /// The access token; empty where a refresh token alone was [put](crate::Grant::refresh_only) and not spent yet.
    pub access_token: Secret,
    /// The refresh token, if there was one.
    pub refresh_token: Option<Secret>,
}

/// A grant that is about to be forgotten. Whatever is done with the store after this was made comes after it.
pub(super) struct Clearing {
    shared: Arc<Shared>,
    turn: Turn,
}

impl Clearing {
    /// Begins, without waiting and without a runtime. What a renewal that runs still brings is not handed out.
    pub(super) fn begin(shared: &Arc<Shared>) -> Self {
        // In this order: a fetch that knows of the clearing has its turn after it, and finds nothing.
        let turn = shared.line_up();
        shared.note_clear();
        Self {
            shared: Arc::clone(shared),
            turn,
        }
    }

    /// Forgets the grant, here and in the store. Says what it was, also where the store could not be emptied: then it is still kept.
    pub(super) async fn finish(self) -> (Option<Cleared>, Result<(), StoreError>) {
        self.finish_or(|_| {}).await
    }

    /// The same for a grant that is over, whatever becomes of the store: nobody is to write down again what is known here alone.
    pub(super) async fn finish_for_good(self) -> (Option<Cleared>, Result<(), StoreError>) {
        self.finish_or(Session::forget).await
    }

    async fn finish_or(
        self,
        fail: impl FnOnce(&mut Session),
    ) -> (Option<Cleared>, Result<(), StoreError>) {
        let Self { shared, turn } = self;
        let mut session = match shared.open(turn).await {
            Ok(session) => session,
            Err(error) => return (None, Err(error)),
        };
        let record = match session.look_even_if_malformed().await {
            Ok(before) => before.record,
            Err(error) => return (None, Err(error)),
        };
        let cleared = record.map(|record| Cleared {
            access_token: record.access_token,
            refresh_token: record.refresh_token,
        });
        if let Some(held) = session.work.held.as_mut() {
            let removing = in_time(&*shared.store, "emptying", held.lock.remove());
            if let Err(error) = removing.await {
                fail(&mut session);
                return (cleared, Err(error));
            }
        }
        session.forget();
        (cleared, Ok(()))
    }
}
