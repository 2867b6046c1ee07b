//! A renewal under the store's lock: reload, adopt or write down the intent, send, commit.
//!
//! ```text
//!  reload ─► newer than what the slot has? ── yes ─► hand it out
//!    │ no
//!    ▼
//!  an intent stands open? ── yes, and no leeway ─► a human
//!    │ no, or within the leeway
//!    ▼
//!  intent ─► send ─► answer ─► commit ─► hand it out
//!              │                 └─ fails: kept here, lock and all, and tried again
//!              ├─ surely not used up: the intent is taken back
//!              └─ not known: the intent stands
//! ```

use tokio::time::timeout;

use super::decide::Next;
use super::record::{Fingerprint, Record};
use super::session::Session;
use super::{NeedsHuman, StoreState};
use crate::{Fetch, Grant, SourceError};

enum Step {
    Done(Grant, Fingerprint),
    /// Refused, and the store holds another refresh token by now.
    Overtaken(SourceError),
}

impl Session {
    pub(super) async fn renew(mut self, fetch: Fetch) -> Result<(Grant, Fingerprint), SourceError> {
        self.reload().await?;
        let mut overtaken = false;
        loop {
            match self.step(&fetch).await? {
                Step::Done(grant, fingerprint) => return Ok((grant, fingerprint)),
                Step::Overtaken(error) if overtaken => return Err(error),
                // Somebody who does not keep to the lock has stored another grant: the loser goes on with that, once.
                Step::Overtaken(_) => overtaken = true,
            }
        }
    }

    async fn step(&mut self, fetch: &Fetch) -> Result<Step, SourceError> {
        let known = self.shared.known(&self.work);
        let standing = match known.decide(self.record()) {
            Next::Adopt(grant, fingerprint) => {
                if !self.is_unsaved() {
                    self.shared.enter(StoreState::Saved);
                }
                return Ok(Step::Done(grant, fingerprint));
            }
            Next::Send(standing) => standing,
            Next::NeedsHuman(intent) => {
                self.shared.enter(StoreState::NeedsHuman);
                let place = self.shared.store.place();
                tracing::error!(
                    store = place,
                    "the grant needs a human: an earlier renewal's answer was lost"
                );
                return Err(SourceError::permanent(NeedsHuman::new(place, intent.at)));
            }
        };
        self.write_intent(standing).await?;
        let mut fetch = fetch.clone();
        fetch.refresh_token = self
            .record()
            .and_then(|record| record.refresh_token.clone());
        let born = self.shared.now().wall;
        let answer_within = self.shared.settings().answer_within;
        let answer = timeout(answer_within, self.shared.source.fetch(fetch)).await;
        match answer {
            Ok(Ok(grant)) => {
                let earlier = self
                    .record()
                    .and_then(|record| record.refresh_token.clone());
                self.commit(Record::of(&grant, earlier, born)).await;
                let fingerprint = Fingerprint::of(&grant.token);
                let refresh_token = None;
                Ok(Step::Done(
                    Grant {
                        refresh_token,
                        ..grant
                    },
                    fingerprint,
                ))
            }
            Ok(Err(error)) if error.is_unspent() => {
                let overtaken = self.take_back(standing).await;
                if overtaken && error.is_invalid_grant() {
                    return Ok(Step::Overtaken(error));
                }
                Err(error)
            }
            Ok(Err(error)) => {
                self.note_lost();
                Err(error)
            }
            Err(_) => {
                self.note_lost();
                Err(SourceError::temporary(format!(
                    "the token source did not answer within {answer_within:?} (`Stored::answer_within`)"
                )))
            }
        }
    }

    fn note_lost(&self) {
        if self
            .record()
            .is_some_and(|record| record.refresh_token.is_some())
        {
            tracing::warn!(
                store = self.shared.store.place(),
                "a renewal's answer was lost: it is not known whether the refresh token was used up"
            );
        }
    }
}
