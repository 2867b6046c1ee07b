//! Which of a slot's keys is in use: a pure state machine.
//!
//! ```text
//!               401, and there is an overlap key
//!   Settled ───────────────────────────────────────► Trial: the overlap key is in use
//!    ▲   ▲                                             │   │
//!    │   └── accepted: it sticks, the other is gone ───┘   │ 401: the first key is in use again
//!    └────── a minute later ───── Tried ◄──────────────────┘
//! ```

use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use crate::Secret;

/// An overlap key that was refused is not tried again sooner.
pub(super) const AGAIN: Duration = Duration::from_secs(60);

/// A key, and the header value that is made of it.
#[derive(Clone)]
pub(super) struct Key {
    /// Tells keys apart that were set one after the other.
    pub(super) id: u64,
    pub(super) secret: Secret,
    pub(super) value: HeaderValue,
}

/// The keys of one slot.
#[derive(Clone)]
pub(super) struct Ring {
    pub(super) in_use: Key,
    pub(super) other: Option<Key>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Settled,
    Trial,
    Tried { since: Instant },
}

impl Ring {
    pub(super) fn new(in_use: Key, other: Option<Key>) -> Self {
        Self {
            in_use,
            other,
            phase: Phase::Settled,
        }
    }

    /// Whether anything follows from how a server answers to the key in use.
    pub(super) fn is_watched(&self) -> bool {
        self.other.is_some()
    }

    /// Notes that a server has accepted the key `id`; `true` where it sticks by that.
    pub(super) fn accept(&mut self, id: u64) -> bool {
        let sticks = self.in_use.id == id && self.phase == Phase::Trial;
        if sticks {
            self.phase = Phase::Settled;
            // It was refused: there is no way back to it.
            self.other = None;
        }
        sticks
    }

    /// Notes that a server has refused the key `id`; `true` where another one has come into use by that.
    pub(super) fn reject(&mut self, id: u64, now: Instant) -> bool {
        if self.in_use.id != id {
            return false;
        }
        let next = match self.phase {
            Phase::Settled => Phase::Trial,
            Phase::Trial => Phase::Tried { since: now },
            Phase::Tried { since } if now.saturating_duration_since(since) >= AGAIN => Phase::Trial,
            Phase::Tried { .. } => return false,
        };
        let Some(other) = self.other.take() else {
            return false;
        };
        self.other = Some(std::mem::replace(&mut self.in_use, other));
        self.phase = next;
        true
    }

    /// Uses `key`; the one in use until now becomes the overlap key.
    pub(super) fn put_first(&mut self, key: Key) {
        self.other = Some(std::mem::replace(&mut self.in_use, key));
        self.phase = Phase::Settled;
    }

    /// Uses the overlap key, which leaves the other as such; `false` where there is none.
    pub(super) fn switch(&mut self) -> bool {
        match self.other.take() {
            Some(key) => {
                self.put_first(key);
                true
            }
            None => false,
        }
    }

    /// Uses `key` in place of the one in use. The overlap key stays.
    pub(super) fn replace(&mut self, key: Key) {
        self.in_use = key;
        self.phase = Phase::Settled;
    }

    /// Replaces the overlap key. Where the former one is on trial, the key before it is in use again.
    pub(super) fn set_overlap(&mut self, key: Option<Key>) {
        if self.phase == Phase::Trial
            && let Some(first) = self.other.take()
        {
            self.in_use = first;
        }
        self.other = key;
        self.phase = Phase::Settled;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u64) -> Key {
        Key {
            id,
            secret: Secret::from("k"),
            value: HeaderValue::from_static("k"),
        }
    }

    fn ring() -> Ring {
        Ring::new(key(1), Some(key(2)))
    }

    fn ids(ring: &Ring) -> (u64, Option<u64>) {
        (ring.in_use.id, ring.other.as_ref().map(|key| key.id))
    }

    #[test]
    fn an_overlap_key_that_is_accepted_sticks() {
        let (mut ring, now) = (ring(), Instant::now());
        assert!(!ring.accept(1));
        assert!(ring.reject(1, now));
        assert!(!ring.accept(1), "a late answer to the first key");
        assert_eq!(ids(&ring), (2, Some(1)));
        assert!(ring.accept(2));
        assert_eq!(ids(&ring), (2, None));
        assert!(!ring.reject(2, now), "there is no other");
        assert_eq!(ids(&ring), (2, None));
    }

    #[test]
    fn an_overlap_key_that_is_refused_is_tried_again_a_minute_later() {
        let (mut ring, now) = (ring(), Instant::now());
        assert!(ring.reject(1, now));
        assert!(!ring.reject(1, now), "late refusals of the first key");
        assert!(ring.reject(2, now));
        assert_eq!(ids(&ring), (1, Some(2)));
        for seconds in [0, 59] {
            let later = now + Duration::from_secs(seconds);
            assert!(!ring.reject(1, later));
            assert!(!ring.reject(2, later));
        }
        assert!(!ring.accept(2), "too late to stick");
        assert!(ring.reject(1, now + AGAIN));
        assert_eq!(ids(&ring), (2, Some(1)));
    }

    #[test]
    fn without_an_overlap_key_nothing_follows() {
        let mut ring = Ring::new(key(1), None);
        assert!(!ring.is_watched());
        assert!(!ring.reject(1, Instant::now()));
        assert!(!ring.switch());
        assert_eq!(ids(&ring), (1, None));
    }

    #[test]
    fn keys_are_switched_and_replaced_by_hand() {
        let (mut ring, now) = (ring(), Instant::now());
        assert!(ring.switch());
        assert_eq!(ids(&ring), (2, Some(1)));
        ring.put_first(key(3));
        assert_eq!(ids(&ring), (3, Some(2)));
        ring.replace(key(4));
        assert_eq!(ids(&ring), (4, Some(2)));
        assert!(ring.reject(4, now));
        ring.set_overlap(Some(key(5)));
        assert_eq!(ids(&ring), (4, Some(5)), "the trial of the former is over");
        assert!(ring.reject(4, now), "and the new one may be tried at once");
        ring.set_overlap(None);
        assert_eq!(ids(&ring), (4, None));
    }
}
