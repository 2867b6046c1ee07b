//! Which window belongs to a key, and which may be forgotten.
//!
//! A window in which nothing is taken any more is as good as none: made anew, it would be the same. So forgetting it loses
//! nothing, and forgetting any other is out of the question: the server still counts, or may be said to have counted more; or the
//! program has set a limit, and would not know that it is gone. What the server has said of a limit it will say again: such
//! windows are forgotten, but after all others.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use hashbrown::HashTable;

use crate::book::Book;
use crate::book::limiter::Limiter;
use crate::book::limiters::Id;
use crate::book::outcome::Denied;
use crate::book::waiter::Claim;
use crate::moment::Moment;
use crate::quota::Quotas;

/// At how many windows one looks that needs the room of another, before it gives up.
const GLANCE: u32 = 256;
/// How long nobody looks through all windows for one that may be forgotten after somebody has: for each of them, a hundred times
/// as long as it takes.
const LOOK_THROUGH_AFTER: Duration = Duration::from_micros(10);
/// How many windows are looked at whenever one is made, for some that have been idle for long.
const STRIDE: u32 = 4;

/// The windows of one kind that keys have.
#[derive(Debug)]
pub(crate) struct Keys {
    windows: HashTable<u32>,
    hasher: RandomState,
    most: usize,
    idle: Duration,
    /// Where the search for idle ones goes on.
    hand: u32,
    /// When somebody last looked through all of them.
    looked_through_at: Option<Moment>,
}

impl Keys {
    pub(crate) fn new(most: usize, idle: Duration) -> Self {
        Self {
            windows: HashTable::new(),
            hasher: RandomState::new(),
            most,
            idle,
            hand: 0,
            looked_through_at: None,
        }
    }
}

impl Book {
    /// Adds a kind of windows, one for each key. Says its number.
    pub(crate) fn open_keyed(&mut self, quotas: &Quotas, keys: Keys) -> u32 {
        self.open_group(quotas, Some(keys))
    }

    /// The window of `key`, made where there is none.
    ///
    /// Leaves those alone that `named` names: they are wanted by the same request.
    pub(crate) fn window_of(
        &mut self,
        now: Moment,
        group: u32,
        key: &[u8],
        named: &[Claim],
    ) -> Result<Id, Denied> {
        if let Some(id) = self.known_window_of(group, key) {
            self.limiters[id.index].used_at = now;
            self.forget_idle(now, group, 1, named);
            return Ok(id);
        }
        self.forget_idle(now, group, STRIDE, named);
        if let Some(most) = self.is_full(group)
            && !self.make_room(now, group, named)
        {
            self.groups[group as usize].tally.refused += 1;
            return Err(Denied::TooManyKeys(most));
        }
        let id = self.open_limiter(now, group, Some(key.into()));
        if let Some(keys) = &mut self.groups[group as usize].keys {
            let hash = keys.hasher.hash_one(key);
            let limiters = &self.limiters;
            let hasher = &keys.hasher;
            let rehash = |&index: &u32| hasher.hash_one(key_of(limiters.get(index)));
            keys.windows.insert_unique(hash, id.index, rehash);
        }
        Ok(id)
    }

    /// The window of `key`, if there is one.
    pub(crate) fn known_window_of(&self, group: u32, key: &[u8]) -> Option<Id> {
        let keys = self.groups[group as usize].keys.as_ref()?;
        let hash = keys.hasher.hash_one(key);
        let same = |&index: &u32| key_of(self.limiters.get(index)) == key;
        let index = *keys.windows.find(hash, same)?;
        Some(self.limiters.id(index))
    }

    /// How many keys have a window.
    pub(crate) fn keys(&self, group: u32) -> usize {
        let keys = self.groups[group as usize].keys.as_ref();
        keys.map_or(0, |keys| keys.windows.len())
    }

    fn is_full(&self, group: u32) -> Option<usize> {
        let keys = self.groups[group as usize].keys.as_ref()?;
        (keys.windows.len() >= keys.most).then_some(keys.most)
    }

    /// Forgets a window of the kind that may be forgotten. Says whether it has found one.
    fn make_room(&mut self, now: Moment, group: u32, named: &[Claim]) -> bool {
        let knows_nothing = |limiter: &Limiter| !limiter.has_adopted();
        if self.groups[group as usize].terms.adopt()
            && self.look_at_next(now, group, GLANCE, named, knows_nothing)
        {
            return true;
        }
        if self.look_at_next(now, group, GLANCE, named, |_| true) {
            return true;
        }
        let numbers = self.limiters.numbers();
        let Some(keys) = &mut self.groups[group as usize].keys else {
            return true;
        };
        let rest = LOOK_THROUGH_AFTER.saturating_mul(numbers);
        if keys
            .looked_through_at
            .is_some_and(|at| now < at.after(rest))
        {
            return false;
        }
        keys.looked_through_at = Some(now);
        self.look_at_next(now, group, numbers, named, |_| true)
    }

    /// Looks at the next few windows, and forgets those that nobody has asked for in long.
    fn forget_idle(&mut self, now: Moment, group: u32, most: u32, named: &[Claim]) {
        if let Some(keys) = &self.groups[group as usize].keys {
            // What is asked for at this moment is idle for no time.
            let idle = keys.idle.max(Duration::from_nanos(1));
            self.look_at_next(now, group, most, named, |limiter| {
                limiter.used_at.after(idle) <= now
            });
        }
    }

    /// Looks at the next windows, up to `most` of them, and forgets those of the kind that are `unused` and may be
    /// forgotten. Says whether there was one.
    fn look_at_next(
        &mut self,
        now: Moment,
        group: u32,
        most: u32,
        named: &[Claim],
        unused: impl Fn(&Limiter) -> bool,
    ) -> bool {
        let numbers = self.limiters.numbers();
        let Some(keys) = &mut self.groups[group as usize].keys else {
            return false;
        };
        let (before, most) = (keys.windows.len(), most.min(numbers));
        let first = keys.hand % numbers.max(1);
        keys.hand = first + most;
        for index in (first..numbers).chain(0..first).take(most as usize) {
            if !named.iter().any(|claim| claim.id.index == index) {
                self.forget_if(now, group, index, &unused);
            }
        }
        self.keys(group) < before
    }

    fn forget_if(
        &mut self,
        now: Moment,
        group: u32,
        index: u32,
        unused: impl Fn(&Limiter) -> bool,
    ) {
        let Some(limiter) = self.limiters.get_mut(index) else {
            return;
        };
        if limiter.group != group || limiter.key.is_none() || !unused(limiter) {
            return;
        }
        limiter.expire(&self.groups[group as usize].terms, now);
        if !limiter.is_idle(&self.groups[group as usize].terms, now) {
            return;
        }
        let Some(keys) = &mut self.groups[group as usize].keys else {
            return;
        };
        let hash = keys.hasher.hash_one(key_of(Some(limiter)));
        if let Ok(entry) = keys.windows.find_entry(hash, |&other| other == index) {
            entry.remove();
        }
        self.limiters.remove(index);
    }
}

fn key_of(limiter: Option<&Limiter>) -> &[u8] {
    limiter
        .and_then(|limiter| limiter.key.as_deref())
        .unwrap_or_default()
}
