//! What the layers know about one call.

use std::sync::Arc;
use std::time::Instant;

use http::Extensions;

use crate::{Class, SlotName};

/// What the layers know about one call: one request extension, one look-up.
///
/// The outermost layer inserts it; each layer adds its part. A layer that keeps a copy of a request in order to send
/// it again copies the context as it was when the request reached that layer.
///
/// ```
/// use call_context::CallContext;
/// use http::Request;
///
/// let mut request = Request::get("https://api.example.com/").body(())?;
/// let context = CallContext::of(request.extensions_mut());
/// assert_eq!(context.attempt(), 1);
/// context.set_slot("wallet".into());
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CallContext {
    class: Option<Class>,
    slot: Option<SlotName>,
    attempt: u32,
    deadline: Option<Instant>,
    guards: u8,
    until_departure: Option<Arc<()>>,
}

impl Default for CallContext {
    fn default() -> Self {
        Self {
            class: None,
            slot: None,
            attempt: 1,
            deadline: None,
            guards: 0,
            until_departure: None,
        }
    }
}

impl CallContext {
    /// The call's context, inserted empty where there is none yet.
    #[inline]
    pub fn of(extensions: &mut Extensions) -> &mut Self {
        extensions.get_or_insert_default()
    }

    /// The call's context, where a layer has made one.
    #[inline]
    pub fn get(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The class of the route, where one is known.
    pub fn class(&self) -> Option<&Class> {
        self.class.as_ref()
    }

    /// Replaces the class.
    pub fn set_class(&mut self, class: Option<Class>) {
        self.class = class;
    }

    /// The slot that the call's credential comes from, once a gate has resolved it.
    #[inline]
    pub fn slot(&self) -> Option<&SlotName> {
        self.slot.as_ref()
    }

    /// Replaces the slot.
    #[inline]
    pub fn set_slot(&mut self, slot: SlotName) {
        self.slot = Some(slot);
    }

    /// Forgets the slot: the call carries no credential of ours.
    pub fn clear_slot(&mut self) {
        self.slot = None;
    }

    /// Which attempt at the call this is, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Replaces the number of the attempt.
    pub fn set_attempt(&mut self, attempt: u32) {
        self.attempt = attempt;
    }

    /// When the caller stops to be interested, over all attempts, queues and pauses.
    ///
    /// An instant of the clock that the layers run on: under tokio, `tokio::time::Instant::into_std` of it.
    #[inline]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Brings the deadline forward to `deadline`; never puts it off.
    pub fn limit_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(self.deadline.map_or(deadline, |d| d.min(deadline)));
    }

    /// Holds `mark` until the call [departs](Self::depart), or is dropped on its way.
    ///
    /// Whoever keeps another clone of the mark reads from its reference count how many calls are on their way.
    pub fn hold_until_departure(&mut self, mark: Arc<()>) {
        self.until_departure = Some(mark);
    }

    /// Notes that the call departs: drops the mark that was held until now.
    #[inline]
    pub fn depart(&mut self) {
        self.until_departure = None;
    }

    /// Notes that the call has passed `guard`, and says whether this was the first time.
    #[inline]
    pub fn enter(&mut self, guard: Guard) -> bool {
        let bit = guard.bit();
        let first = self.guards & bit == 0;
        self.guards |= bit;
        first
    }

    /// Notes that the call has come out of `guard` again.
    pub fn leave(&mut self, guard: Guard) {
        self.guards &= !guard.bit();
    }

    /// Whether the call has passed `guard`.
    #[inline]
    pub fn inside(&self, guard: Guard) -> bool {
        self.guards & guard.bit() != 0
    }
}

/// A place on the way of a call that may be passed once, or only in a certain order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guard {
    /// A retry layer watches over the call: one below must not repeat it as well.
    Retry,
    /// A gate has resolved the call's slot and waited for its credential.
    Gate,
    /// The call holds a place in a rate limit: nothing below may make it wait for a token.
    Place,
    /// The credential is on the request.
    Attach,
    /// A rate layer has looked at the call, whether it limits it or not: who chooses the slot below comes too late.
    Rate,
}

impl Guard {
    const fn bit(self) -> u8 {
        match self {
            Self::Retry => 1,
            Self::Gate => 2,
            Self::Place => 4,
            Self::Attach => 8,
            Self::Rate => 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const GUARDS: [Guard; 5] = [
        Guard::Retry,
        Guard::Gate,
        Guard::Place,
        Guard::Attach,
        Guard::Rate,
    ];

    #[test]
    fn a_new_context_is_a_first_attempt_of_which_nothing_is_known() {
        let context = CallContext::default();
        assert_eq!(context.attempt(), 1);
        assert!(context.class().is_none() && context.slot().is_none());
        assert!(context.deadline().is_none());
        assert!(!GUARDS.iter().any(|guard| context.inside(*guard)));
    }

    #[test]
    fn a_guard_is_entered_once_and_again_after_it_was_left() {
        for guard in GUARDS {
            let mut context = CallContext::default();
            assert!(context.enter(guard));
            assert!(!context.enter(guard));
            assert!(context.inside(guard));
            context.leave(guard);
            assert!(!context.inside(guard));
            assert!(context.enter(guard));
        }
    }

    #[test]
    fn guards_do_not_touch_each_other() {
        for left in GUARDS {
            let mut context = CallContext::default();
            assert!(GUARDS.iter().all(|guard| context.enter(*guard)));
            context.leave(left);
            for guard in GUARDS {
                assert_eq!(context.inside(guard), guard != left, "{guard:?}");
            }
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn a_deadline_is_never_put_off() {
        let now = Instant::now();
        let soon = now + Duration::from_secs(1);
        let late = now + Duration::from_secs(2);
        let mut context = CallContext::default();
        context.limit_deadline(late);
        assert_eq!(context.deadline(), Some(late));
        context.limit_deadline(soon);
        context.limit_deadline(late);
        assert_eq!(context.deadline(), Some(soon));
    }

    #[test]
    fn a_mark_is_held_until_the_call_departs_or_is_dropped() {
        let mark = Arc::new(());
        let mut context = CallContext::default();
        context.hold_until_departure(Arc::clone(&mark));
        assert_eq!(Arc::strong_count(&mark), 2);
        context.depart();
        assert_eq!(Arc::strong_count(&mark), 1);
        context.hold_until_departure(Arc::clone(&mark));
        drop(context);
        assert_eq!(Arc::strong_count(&mark), 1);
    }

    #[test]
    fn of_inserts_one_context_and_finds_it_again() {
        let mut extensions = Extensions::new();
        assert!(CallContext::get(&extensions).is_none());
        CallContext::of(&mut extensions).set_attempt(2);
        assert_eq!(CallContext::of(&mut extensions).attempt(), 2);
        assert_eq!(
            CallContext::get(&extensions).map(CallContext::attempt),
            Some(2)
        );
    }

    #[test]
    fn a_copy_of_a_request_has_a_context_of_its_own() {
        let mut first = Extensions::new();
        CallContext::of(&mut first).set_slot("wallet".into());
        let mut second = first.clone();
        let context = CallContext::of(&mut second);
        context.set_attempt(2);
        context.clear_slot();
        assert!(context.enter(Guard::Place));
        let context = CallContext::of(&mut first);
        assert_eq!(context.attempt(), 1);
        assert_eq!(context.slot().map(SlotName::as_str), Some("wallet"));
        assert!(!context.inside(Guard::Place));
    }

    #[test]
    fn class_and_slot_are_replaced() {
        let mut context = CallContext::default();
        context.set_class(Some("read".into()));
        context.set_class(Some("execute".into()));
        assert_eq!(context.class().map(Class::as_str), Some("execute"));
        context.set_class(None);
        assert!(context.class().is_none());
        context.set_slot("business".into());
        context.set_slot("wallet".into());
        assert_eq!(context.slot().map(SlotName::as_str), Some("wallet"));
    }
}
