//! Replacing what is kept by a human's word: wholly, or not at all.

use tokio::time::timeout;

use super::limit::{ANSWER_WITHIN, in_time};
use super::record::{Record, Unreadable};
use super::session::Session;
use super::{StoreError, StoreLock};
use crate::Secret;

/// What there was before.
pub(super) struct Before {
    pub(super) record: Option<Record>,
    /// What the store held; `Err` where that is not known.
    text: Result<Option<Secret>, ()>,
}

impl Session {
    /// What is kept, or nothing where that cannot be read. What a newer program wrote is left alone.
    pub(super) async fn look_even_if_malformed(&mut self) -> Result<Before, StoreError> {
        let is_unsaved = self.is_unsaved();
        let Some(held) = self.work.held.as_mut() else {
            return Ok(Before {
                record: None,
                text: Err(()),
            });
        };
        let text = in_time(&*self.shared.store, "reading", held.lock.load()).await;
        if is_unsaved {
            let record = held.record.clone();
            let text = text.map_err(drop);
            return Ok(Before { record, text });
        }
        let text = text?;
        let place = self.shared.store.place();
        let record = text.as_ref().map(|text| Record::decode(text, &place));
        let record = match record.transpose() {
            Ok(record) => record,
            Err(Unreadable::Malformed(_)) => None,
            Err(error @ Unreadable::Version(_)) => return Err(error.into()),
        };
        let text = Ok(text);
        Ok(Before { record, text })
    }

    /// Writes `record` in place of what was there `before`. Where that fails, what may have been written of it is taken back; where
    /// that fails too, the error says so.
    pub(super) async fn replace(
        &mut self,
        before: Before,
        record: Record,
    ) -> Result<(), StoreError> {
        if let Some(held) = self.work.held.as_mut() {
            held.record = Some(record);
        }
        let Err(error) = self.save().await else {
            return Ok(());
        };
        let Some(held) = self.work.held.as_mut() else {
            return Err(error);
        };
        held.record = before.record;
        let restored = match &before.text {
            Ok(text) => restore(&mut *held.lock, text.as_ref()).await,
            Err(()) => false,
        };
        Err(match restored {
            true => error,
            false => error.half_done(self.shared.store.place()),
        })
    }
}

/// Puts the text back that was there before, and says whether it is there.
async fn restore(lock: &mut dyn StoreLock, text: Option<&Secret>) -> bool {
    if holds(lock, text).await {
        return true;
    }
    let written = match text {
        Some(text) => lock.save(text.clone()),
        None => lock.remove(),
    };
    // An error of it may come after it was done.
    let _ = timeout(ANSWER_WITHIN, written).await;
    holds(lock, text).await
}

async fn holds(lock: &mut dyn StoreLock, text: Option<&Secret>) -> bool {
    match timeout(ANSWER_WITHIN, lock.load()).await {
        Ok(Ok(found)) => found.as_ref().map(Secret::expose) == text.map(Secret::expose),
        Ok(Err(_)) | Err(_) => false,
    }
}
