//! What happens to credentials, for whoever wants to hear of it.

use std::sync::{Arc, OnceLock, Weak};

use call_context::SlotName;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// How many events wait for one who listens. Credentials change seldom.
const KEPT: usize = 256;

/// Something that happened to the credential of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The slot that it happened to.
    pub slot: SlotName,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A new token is in use: the first one, or the successor of another; or the same one with a new lifetime, as a file that was
    /// read again.
    Renewed,
    /// A fetch has failed; the slot tries again by itself.
    RenewalFailed,
    /// The source has refused for good: somebody must log in again, or mend what its error says. Then
    /// [`TokenSlot::changed`](crate::TokenSlot::changed) is to be called.
    NeedsHuman,
    /// A server refused the token or key in use.
    Rejected,
    /// Another static key is in use: the overlap key, or one that the program has set. A
    /// [`rotate`](crate::KeySlot::rotate) whose new key is not confirmed shows as two: to the new key, and back.
    KeySwitched,
    /// The slot was logged out.
    LoggedOut,
    /// A renewed grant could not be written to its [store](crate::store): this process alone knows it, and tries again. If it ends
    /// before that, the grant is lost. Told once, however often it is tried.
    GrantUnsaved,
    /// After [`GrantUnsaved`](Self::GrantUnsaved): the newest grant is in the store at last. Where that grant is cleared or logged out
    /// instead, this is not told.
    GrantSaved,
    /// Whoever listens was too slow, and has missed this many events.
    Missed(u64),
}

/// The events of an [`Auth`](crate::Auth), from the moment of [`Auth::subscribe`](crate::Auth::subscribe) on.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Event>,
}

impl Events {
    /// The next event; `None` once the [`Auth`](crate::Auth), its layers and its handles are gone.
    ///
    /// One who falls behind by more than 256 events loses the oldest, and is told by [`EventKind::Missed`], under the slot name
    /// `*`.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(missed)) => Some(Event {
                slot: SlotName::from("*"),
                kind: EventKind::Missed(missed),
            }),
            Err(RecvError::Closed) => None,
        }
    }
}

/// Where the events of one slot go, for who may outlive it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Teller {
    hub: Weak<Hub>,
    slot: Option<SlotName>,
}

impl Teller {
    pub(crate) fn new(hub: &Arc<Hub>, slot: &SlotName) -> Self {
        Self {
            hub: Arc::downgrade(hub),
            slot: Some(slot.clone()),
        }
    }

    pub(crate) fn tell(&self, kind: EventKind) {
        if let (Some(hub), Some(slot)) = (self.hub.upgrade(), &self.slot) {
            hub.tell(slot, kind);
        }
    }
}

/// Where events come from. Costs nothing until somebody listens.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    sender: OnceLock<broadcast::Sender<Event>>,
}

impl Hub {
    pub(crate) fn subscribe(&self) -> Events {
        let sender = self.sender.get_or_init(|| broadcast::channel(KEPT).0);
        Events {
            receiver: sender.subscribe(),
        }
    }

    pub(crate) fn tell(&self, slot: &SlotName, kind: EventKind) {
        if let Some(sender) = self.sender.get() {
            // An error says that nobody listens any more.
            let _ = sender.send(Event {
                slot: slot.clone(),
                kind,
            });
        }
    }
}
