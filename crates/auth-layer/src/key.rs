//! A static key, which may be exchanged while the program runs.

mod ring;
mod rotate;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use call_context::SlotName;
use http::HeaderValue;
use parking_lot::Mutex;

pub use self::rotate::{RotateError, RotateStep};

use self::ring::{Key, Ring};
use crate::clock::Clock;
use crate::events::Hub;
use crate::secret::Scheme;
use crate::{EventKind, Secret, Unsendable};

/// A handle on one static key. Cloning it costs a reference count.
///
/// A slot may have two keys: one in use, and an overlap key, as servers offer them for a rotation. On a 401 the overlap key
/// comes into use, and the 401 is marked [`Renewed`](call_context::Renewed), for a retry layer to send the request again.
/// Accepted once, it sticks, and the first key is dropped. Refused as well, the first key is in use again, and the overlap
/// key is not tried for a minute.
///
/// ```
/// use auth_layer::{Auth, Slot};
///
/// let slot = Slot::key("business", "sk_live_1").overlap("sk_live_2");
/// let auth = Auth::single(slot.origin("https://api.example.com".parse()?))?;
/// let key = auth.key("business").expect("a static key");
/// assert!(key.switch());
/// assert_eq!(key.secret().expose(), "sk_live_2");
/// key.set("sk_live_3")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct KeySlot {
    shared: Arc<Shared>,
}

struct Shared {
    name: SlotName,
    scheme: Scheme,
    hub: Arc<Hub>,
    clock: Clock,
    /// Written under the lock of `keys` alone.
    current: ArcSwap<Current>,
    keys: Mutex<Keys>,
}

struct Keys {
    ring: Ring,
    last_id: u64,
    /// How often the program, not a server, has changed the keys.
    edits: u64,
    is_rotating: bool,
}

/// The key in use, as requests meet it.
struct Current {
    id: u64,
    value: HeaderValue,
    is_watched: bool,
    accepted: AtomicBool,
}

impl KeySlot {
    pub(crate) fn new(
        name: SlotName,
        scheme: Scheme,
        key: Secret,
        overlap: Option<Secret>,
        hub: Arc<Hub>,
        clock: Clock,
    ) -> Result<Self, Unsendable> {
        let mut last_id = 0;
        let mut made = |secret: Secret| {
            last_id += 1;
            let value = scheme.value(&secret)?;
            let id = last_id;
            Ok(Key { id, secret, value })
        };
        let ring = Ring::new(made(key)?, overlap.map(made).transpose()?);
        let current = ArcSwap::from_pointee(Current::of(&ring));
        let keys = Keys {
            ring,
            last_id: 2,
            edits: 0,
            is_rotating: false,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                name,
                scheme,
                hub,
                clock,
                current,
                keys: Mutex::new(keys),
            }),
        })
    }

    /// The slot's name.
    pub fn name(&self) -> &SlotName {
        &self.shared.name
    }

    /// The key in use. Whoever exposes it answers for where it goes.
    #[must_use]
    pub fn secret(&self) -> Secret {
        self.shared.keys.lock().ring.in_use.secret.clone()
    }

    /// Whether there is an overlap key.
    #[must_use]
    pub fn has_overlap(&self) -> bool {
        self.shared.keys.lock().ring.other.is_some()
    }

    /// Uses `key` from the next departure on, in place of the one in use, which is forgotten. An overlap key stays.
    ///
    /// # Errors
    ///
    /// Where the key cannot stand in a header: then nothing has changed.
    pub fn set(&self, key: impl Into<Secret>) -> Result<(), Unsendable> {
        self.edit(key.into(), Ring::replace)?;
        self.shared.hub.tell(self.name(), EventKind::KeySwitched);
        Ok(())
    }

    /// Keeps `key` as the overlap key, in place of another one.
    ///
    /// # Errors
    ///
    /// Where the key cannot stand in a header: then nothing has changed.
    pub fn set_overlap(&self, key: impl Into<Secret>) -> Result<(), Unsendable> {
        self.edit(key.into(), |ring, key| ring.set_overlap(Some(key)))
    }

    /// Forgets the overlap key.
    pub fn drop_overlap(&self) {
        let mut keys = self.shared.keys.lock();
        keys.edits += 1;
        keys.ring.set_overlap(None);
        self.publish(&keys);
    }

    /// Uses the overlap key from the next departure on, and keeps the other one as such; `false` where there is none.
    pub fn switch(&self) -> bool {
        let mut keys = self.shared.keys.lock();
        keys.edits += 1;
        let switched = keys.ring.switch();
        self.publish(&keys);
        drop(keys);
        if switched {
            self.shared.hub.tell(self.name(), EventKind::KeySwitched);
        }
        switched
    }

    fn edit(&self, secret: Secret, edit: impl FnOnce(&mut Ring, Key)) -> Result<(), Unsendable> {
        let value = self.shared.scheme.value(&secret)?;
        let mut keys = self.shared.keys.lock();
        keys.edits += 1;
        keys.last_id += 1;
        let id = keys.last_id;
        edit(&mut keys.ring, Key { id, secret, value });
        self.publish(&keys);
        Ok(())
    }

    fn publish(&self, keys: &Keys) {
        self.shared.current.store(Arc::new(Current::of(&keys.ring)));
    }

    /// The header value in use, and the key's number where a server's answer to it matters.
    #[inline]
    pub(crate) fn value(&self) -> (HeaderValue, Option<u64>) {
        let current = self.shared.current.load();
        let id = current.is_watched.then_some(current.id);
        (current.value.clone(), id)
    }

    /// Notes that a server has accepted the key `id`.
    pub(crate) fn accept(&self, id: u64) {
        let current = self.shared.current.load();
        // The load alone keeps the common case free of writes that other cores would have to see.
        if current.id != id
            || current.accepted.load(Ordering::Relaxed)
            || current.accepted.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let mut keys = self.shared.keys.lock();
        if keys.ring.accept(id) {
            self.publish(&keys);
            drop(keys);
            tracing::info!(slot = %self.shared.name, "the overlap key was accepted, and stays in use");
            self.shared.hub.tell(self.name(), EventKind::KeySwitched);
        }
    }

    /// Notes that a server has refused the key `id`, and says whether another one is in use now.
    pub(crate) fn reject(&self, id: u64) -> bool {
        let now = self.shared.clock.now().mono;
        let mut keys = self.shared.keys.lock();
        if keys.ring.reject(id, now) {
            self.publish(&keys);
            drop(keys);
            tracing::warn!(slot = %self.shared.name, "the server refused the key; the other one is tried");
            self.shared.hub.tell(self.name(), EventKind::Rejected);
            return true;
        }
        keys.ring.in_use.id != id
    }
}

impl Current {
    fn of(ring: &Ring) -> Self {
        Self {
            id: ring.in_use.id,
            value: ring.in_use.value.clone(),
            is_watched: ring.is_watched(),
            accepted: AtomicBool::new(false),
        }
    }
}

impl fmt::Debug for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySlot")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}
