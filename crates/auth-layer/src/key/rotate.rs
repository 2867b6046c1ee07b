//! Create, switch, confirm, revoke: a key is exchanged without a moment in which there is none that works.

use std::error::Error;
use std::fmt;

use call_context::{BoxError, SlotName};

use super::KeySlot;
use super::ring::{Key, Ring};
use crate::{EventKind, Secret};

/// The step at which a rotation came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RotateStep {
    /// Another rotation of the slot is under way; nothing was done.
    Begin,
    /// No new key was made; nothing has changed.
    Create,
    /// The new key cannot stand in a header; the former one is in use.
    Switch,
    /// The new key was not confirmed, or the server refused it meanwhile; the former one is in use again.
    Confirm,
    /// The new key is in use. The former one may still be valid.
    Revoke,
}

/// A rotation that was not finished. A key that works is in use all the same.
///
/// Of two keys that the server knows, the one that is not in use is in here: nothing else remembers it.
pub struct RotateError {
    step: RotateStep,
    slot: SlotName,
    left_over: Option<Secret>,
    error: Option<BoxError>,
}

impl RotateError {
    /// Where it came to an end.
    #[must_use]
    pub fn step(&self) -> RotateStep {
        self.step
    }

    /// The key that is to be revoked, or the revocation to be tried again: the new one after
    /// [`Switch`](RotateStep::Switch) and [`Confirm`](RotateStep::Confirm), the former one after [`Revoke`](RotateStep::Revoke).
    #[must_use]
    pub fn left_over(&self) -> Option<&Secret> {
        self.left_over.as_ref()
    }
}

impl fmt::Display for RotateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.step {
            RotateStep::Begin => "another rotation is under way; wait for it",
            RotateStep::Create => "no new key was made; the former one stays in use",
            RotateStep::Switch => {
                "the new key cannot stand in a header; the former one stays in use, revoke the new one"
            }
            RotateStep::Confirm => {
                "the new key was not confirmed; the former one is in use again, revoke the new one"
            }
            RotateStep::Revoke => {
                "the new key is in use, but the former one was not revoked; try that again"
            }
        };
        write!(f, "credential slot `{}`: {text}", self.slot)
    }
}

impl fmt::Debug for RotateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotateError")
            .field("step", &self.step)
            .field("slot", &self.slot)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl Error for RotateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.as_deref().map(|error| error as _)
    }
}

impl KeySlot {
    /// Exchanges the key: `create` a new one, switch to it, `confirm` that it works, `revoke` the former one.
    ///
    /// `create` runs with the former key in use, `confirm` and `revoke` with the new one; requests of others carry the key in
    /// use as well. Until the new key is confirmed the former one is the overlap key: where the server refuses the new one, it
    /// comes into use again, and the rotation ends at [`RotateStep::Confirm`]. From then on the new one stays in use, whatever servers
    /// say; where the revocation fails, the former one is the overlap key. Whatever overlap key there was before is the overlap key
    /// again after a failure before that, and is forgotten otherwise.
    ///
    /// ```
    /// use auth_layer::{Auth, Secret, Slot};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let slot = Slot::key("business", "sk_1").origin("https://api.example.com".parse()?);
    /// let auth = Auth::single(slot)?;
    /// let key = auth.key("business").expect("a static key");
    /// key.rotate(
    ///     async || Ok(Secret::from("sk_2")), // POST /keys
    ///     async || Ok(()),                   // GET something, through the stack
    ///     async |_old| Ok(()),               // DELETE /keys/{old}
    /// )
    /// .await?;
    /// assert_eq!(key.secret().expose(), "sk_2");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// At the step that failed; see [`RotateStep`] for which key is in use then.
    ///
    /// # Cancellation
    ///
    /// Dropped, or ended by a panic, before the new key is confirmed, the former one is in use again, and the new one is lost. Dropped
    /// during the revocation, the new one stays in use.
    pub async fn rotate(
        &self,
        create: impl AsyncFnOnce() -> Result<Secret, BoxError>,
        confirm: impl AsyncFnOnce() -> Result<(), BoxError>,
        revoke: impl AsyncFnOnce(Secret) -> Result<(), BoxError>,
    ) -> Result<(), RotateError> {
        let mut undo = self.begin()?;
        let created = create().await;
        let created = created.map_err(|error| self.failed(RotateStep::Create, None, error))?;
        let id = undo.switch(&created)?;
        self.shared.hub.tell(self.name(), EventKind::KeySwitched);

        let confirmed = confirm().await;
        let former = match confirmed {
            Ok(()) => undo.confirmed(id),
            Err(error) => {
                drop(undo);
                return Err(self.failed(RotateStep::Confirm, Some(created), error));
            }
        };
        let Some(former) = former else {
            drop(undo);
            let error = "the server refused the new key, or the program has set another one";
            return Err(self.failed(RotateStep::Confirm, Some(created), error.into()));
        };

        if let Err(error) = revoke(former.clone()).await {
            drop(undo);
            return Err(self.failed(RotateStep::Revoke, Some(former), error));
        }
        undo.finish();
        tracing::info!(slot = %self.shared.name, "the key was exchanged");
        Ok(())
    }

    fn begin(&self) -> Result<Undo<'_>, RotateError> {
        let mut keys = self.shared.keys.lock();
        if keys.is_rotating {
            let slot = self.shared.name.clone();
            return Err(RotateError {
                step: RotateStep::Begin,
                slot,
                left_over: None,
                error: None,
            });
        }
        keys.is_rotating = true;
        Ok(Undo {
            slot: self,
            step: Step::Neutral,
        })
    }

    fn failed(&self, step: RotateStep, left_over: Option<Secret>, error: BoxError) -> RotateError {
        RotateError {
            step,
            slot: self.shared.name.clone(),
            left_over,
            error: Some(error),
        }
    }
}

/// Puts the former key back when it is dropped too early: into use before the new one is confirmed, and beside it afterwards.
struct Undo<'a> {
    slot: &'a KeySlot,
    step: Step,
}

enum Step {
    /// Nothing is to be put back.
    Neutral,
    /// The keys before the switch, and how often the program had changed them by then.
    Switched(Ring, u64),
    /// The key that is being revoked, and the same count.
    Revoking(Key, u64),
}

impl Undo<'_> {
    fn switch(&mut self, created: &Secret) -> Result<u64, RotateError> {
        let slot = self.slot;
        let value = slot.shared.scheme.value(created).map_err(|error| {
            slot.failed(RotateStep::Switch, Some(created.clone()), error.into())
        })?;
        let mut keys = slot.shared.keys.lock();
        keys.last_id += 1;
        let id = keys.last_id;
        self.step = Step::Switched(keys.ring.clone(), keys.edits);
        let secret = created.clone();
        keys.ring.put_first(Key { id, secret, value });
        slot.publish(&keys);
        Ok(id)
    }

    /// The former key, where the new one is still in use. From here on there is no way back: what a server says while the former
    /// key is revoked must not bring that one into use again, let alone make it stick.
    fn confirmed(&mut self, id: u64) -> Option<Secret> {
        let mut keys = self.slot.shared.keys.lock();
        let Step::Switched(before, edits) = &self.step else {
            return None;
        };
        if keys.ring.in_use.id != id || keys.edits != *edits {
            return None;
        }
        let former = before.in_use.clone();
        let secret = former.secret.clone();
        self.step = Step::Revoking(former, *edits);
        keys.ring.set_overlap(None);
        self.slot.publish(&keys);
        Some(secret)
    }

    /// The former key is revoked, and forgotten.
    fn finish(mut self) {
        self.step = Step::Neutral;
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let slot = self.slot;
        let mut keys = slot.shared.keys.lock();
        keys.is_rotating = false;
        match std::mem::replace(&mut self.step, Step::Neutral) {
            Step::Switched(before, edits) if keys.edits == edits => {
                keys.ring = before;
                slot.publish(&keys);
                drop(keys);
                slot.shared.hub.tell(slot.name(), EventKind::KeySwitched);
            }
            Step::Revoking(former, edits) if keys.edits == edits => {
                keys.ring.set_overlap(Some(former));
                slot.publish(&keys);
            }
            _ => {}
        }
    }
}
