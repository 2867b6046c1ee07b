//! The exclusive right to the store, and what is read and written under it.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::limit::in_time;
use super::record::{Fingerprint, Intent, Record};
use super::shared::Shared;
use super::{StoreError, StoreLock, StoreState, retry};

/// What a process knows between its renewals.
#[derive(Default)]
pub(super) struct Work {
    /// The exclusive right to the store: held during a renewal, and beyond it while a grant is not saved.
    pub(super) held: Option<Held>,
    /// The intent that stands in the store although nothing that it was written for has been used up.
    pub(super) unsent: Option<u64>,
    /// The newest intent, and when it was written.
    pub(super) opened: Option<(u64, Instant)>,
    /// Tries to save what is not saved.
    pub(super) retry: Option<JoinHandle<()>>,
}

pub(super) struct Held {
    pub(super) lock: Box<dyn StoreLock>,
    pub(super) record: Option<Record>,
    /// Whether `record` is known here alone.
    pub(super) unsaved: bool,
}

impl Held {
    pub(super) fn new(lock: Box<dyn StoreLock>) -> Self {
        Self {
            lock,
            record: None,
            unsaved: false,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.unsaved {
            tracing::error!(
                "a renewed grant is lost: it could not be stored, and its slot is gone"
            );
        }
    }
}

/// The exclusive right to the store. Dropped half-way, with its runtime or by a panic, it gives the right back, unless it
/// knows a grant that nobody else knows.
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) work: OwnedMutexGuard<Work>,
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_unsaved() {
            self.work.held = None;
        }
    }
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, work: OwnedMutexGuard<Work>) -> Self {
        Self { shared, work }
    }

    /// Writes down that the refresh token is about to be sent. Where that fails, it is not sent.
    ///
    /// An intent that is `standing` keeps its time, since the first use counts, and gets another name: whoever knew it as never sent
    /// knows so no longer.
    pub(super) async fn write_intent(
        &mut self,
        standing: Option<Intent>,
    ) -> Result<(), StoreError> {
        let now = self.shared.now();
        let since_boot = self.shared.settings().boot_clock.now();
        let was_unsaved = self.is_unsaved();
        let unsent = self.work.unsent;
        let opened = self.work.opened;
        let Some(held) = self.work.held.as_mut() else {
            return Ok(());
        };
        let Some(record) = held.record.as_mut() else {
            return Ok(());
        };
        let Some(refresh_token) = &record.refresh_token else {
            return Ok(());
        };
        // One that could not be taken back keeps its name, under which this process knows it.
        let id = match record.open_intent() {
            Some(intent) if unsent == Some(intent.id) => intent.id,
            _ => fastrand::u64(..),
        };
        record.intent = Some(Intent {
            id,
            refresh_token: Fingerprint::of(refresh_token),
            at: standing.map_or(now.wall, |standing| standing.at),
            since_boot: standing.map_or(since_boot, |standing| standing.since_boot),
        });
        let since = match (standing, opened) {
            (Some(standing), Some((id, since))) if standing.id == id => since,
            _ => now.mono,
        };
        self.work.opened = Some((id, since));
        if standing.is_none() {
            // Before anything can be dropped or fail: it may stand there all the same.
            self.work.unsent = Some(id);
        }
        match self.save().await {
            // The store still has the intent of the refresh token before this one, so that nobody else goes on from it. This
            // process may: it loses nothing by it that is not lost with it anyway.
            Err(error) if !was_unsaved => return Err(error),
            _ => {}
        }
        // From here on it may have been sent.
        self.work.unsent = None;
        Ok(())
    }

    /// Keeps what has come, in the store if that can be, and here until then.
    pub(super) async fn commit(&mut self, record: Record) {
        if let Some(held) = self.work.held.as_mut() {
            held.record = Some(record);
            // Before anything can be dropped.
            held.unsaved = true;
        }
        if let Err(error) = self.save().await {
            self.go_on_unsaved(&error);
        }
    }

    fn go_on_unsaved(&mut self, error: &StoreError) {
        self.shared.enter(StoreState::Unsaved);
        tracing::error!(
            store = self.shared.store.place(),
            error = error as &(dyn std::error::Error + 'static),
            "the renewed grant could not be stored: this process alone knows it, and tries again"
        );
        retry::start(&self.shared, &mut self.work);
    }

    /// Puts the record back to the intent that stood before, and says whether the store holds another refresh token by now: then
    /// it is left alone.
    pub(super) async fn take_back(&mut self, standing: Option<Intent>) -> bool {
        let sent = self.refresh_token();
        let written = self.record().and_then(|record| record.intent);
        let reloaded = if self.is_unsaved() {
            Ok(())
        } else {
            self.reload().await
        };
        if reloaded.is_ok() && self.refresh_token() != sent {
            return self.refresh_token().is_some();
        }
        if written == standing {
            return false;
        }
        if let Some(record) = self
            .work
            .held
            .as_mut()
            .and_then(|held| held.record.as_mut())
        {
            record.intent = standing;
        }
        if let (Some(standing), Some((_, since))) = (standing, self.work.opened) {
            // Under either name, it was sent no later than that.
            self.work.opened = Some((standing.id, since));
        }
        if (reloaded.is_err() || self.save().await.is_err()) && standing.is_none() {
            self.work.unsent = written.map(|intent| intent.id);
        }
        false
    }

    /// Reads what the store holds. What this process alone knows is newer, and is saved first, if that can be.
    pub(super) async fn reload(&mut self) -> Result<(), StoreError> {
        if self.is_unsaved()
            && let Err(error) = self.save().await
        {
            self.go_on_unsaved(&error);
            return Ok(());
        }
        let Some(held) = self.work.held.as_mut() else {
            return Ok(());
        };
        let text = in_time(&*self.shared.store, "reading", held.lock.load()).await?;
        held.record = self.shared.read(text)?;
        Ok(())
    }

    /// Writes the record down.
    pub(super) async fn save(&mut self) -> Result<(), StoreError> {
        let Some(held) = self.work.held.as_mut() else {
            return Ok(());
        };
        let Some(record) = &held.record else {
            return Ok(());
        };
        let saving = held.lock.save(record.encode());
        in_time(&*self.shared.store, "writing", saving).await?;
        held.unsaved = false;
        let place = self.shared.store.place();
        self.shared.stand.note_saved(record, &place);
        Ok(())
    }

    /// Forgets what is kept here.
    pub(super) fn forget(&mut self) {
        if let Some(held) = self.work.held.as_mut() {
            held.record = None;
            held.unsaved = false;
        }
        self.shared.enter(StoreState::Unknown);
    }

    pub(super) fn is_unsaved(&self) -> bool {
        self.work.held.as_ref().is_some_and(|held| held.unsaved)
    }

    pub(super) fn record(&self) -> Option<&Record> {
        self.work.held.as_ref()?.record.as_ref()
    }

    fn refresh_token(&self) -> Option<Fingerprint> {
        let refresh_token = self.record()?.refresh_token.as_ref()?;
        Some(Fingerprint::of(refresh_token))
    }
}
