//! Where a process stands with its store, and who is told when that changes.

use parking_lot::Mutex;

use super::StoreState;
use super::record::Record;
use crate::EventKind;
use crate::events::Teller;

#[derive(Default)]
pub(super) struct Stand(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    state: StoreState,
    /// Whether it was told that a grant is not saved, and not yet that it is.
    is_unsaved_told: bool,
    /// Of the slot that has asked last.
    teller: Teller,
}

impl Stand {
    pub(super) fn state(&self) -> StoreState {
        self.0.lock().state
    }

    pub(super) fn tell_by(&self, teller: &Teller) {
        self.0.lock().teller = teller.clone();
    }

    pub(super) fn enter(&self, next: StoreState, place: &str) {
        let is_unsaved = match next {
            StoreState::Unsaved => Some(true),
            StoreState::Saved | StoreState::Unknown => Some(false),
            StoreState::NeedsHuman => None,
        };
        self.change(place, is_unsaved, |_| next);
    }

    /// Notes that `record` is in the store. That decides nothing which a human is to decide.
    pub(super) fn note_saved(&self, record: &Record, place: &str) {
        let is_open = record.open_intent().is_some();
        self.change(place, Some(false), |state| match state {
            StoreState::NeedsHuman if is_open => StoreState::NeedsHuman,
            _ => StoreState::Saved,
        });
    }

    fn change(
        &self,
        place: &str,
        is_unsaved: Option<bool>,
        next: impl FnOnce(StoreState) -> StoreState,
    ) {
        let mut inner = self.0.lock();
        inner.state = next(inner.state);
        let was_told = inner.is_unsaved_told;
        inner.is_unsaved_told = is_unsaved.unwrap_or(was_told);
        let is_stored = was_told && is_unsaved == Some(false) && inner.state != StoreState::Unknown;
        // Under the lock, so that events come in the order in which things happen.
        if is_stored {
            inner.teller.tell(EventKind::GrantSaved);
        } else if !was_told && is_unsaved == Some(true) {
            inner.teller.tell(EventKind::GrantUnsaved);
        }
        drop(inner);
        if is_stored {
            tracing::info!(store = place, "the grant is stored at last");
        }
    }
}
