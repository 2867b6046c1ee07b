//! All windows of a book, by number.

use std::ops::{Index, IndexMut};

use crate::book::limiter::Limiter;

/// Names one window of a book, as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) index: u32,
    generation: u32,
}

impl Id {
    /// Names the first window of a book; one of a key, where it has windows by key alone.
    pub(crate) const FIRST: Self = Self {
        index: 0,
        generation: 0,
    };
    /// Names none.
    pub(crate) const NONE: Self = Self {
        index: u32::MAX,
        generation: u32::MAX,
    };
}

/// The windows. A number that becomes free is used again, by another generation.
#[derive(Debug, Default)]
pub(crate) struct Limiters {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    limiter: Option<Limiter>,
}

impl Limiters {
    pub(crate) fn insert(&mut self, limiter: Limiter) -> Id {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.limiter = Some(limiter);
            return Id {
                index,
                generation: slot.generation,
            };
        }
        if self.slots.len() == self.slots.capacity() {
            // Doubling would waste up to half of what many thousands of keys take.
            self.slots.reserve_exact(self.slots.len() / 16 + 1);
        }
        self.slots.push(Slot {
            generation: 0,
            limiter: Some(limiter),
        });
        let index = u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX);
        Id {
            index,
            generation: 0,
        }
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<Limiter> {
        let slot = self.slots.get_mut(index as usize)?;
        let limiter = slot.limiter.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        Some(limiter)
    }

    /// Whether what `id` names is there still.
    pub(crate) fn has(&self, id: Id) -> bool {
        self.slots
            .get(id.index as usize)
            .is_some_and(|slot| slot.generation == id.generation && slot.limiter.is_some())
    }

    /// What names the window at `index`.
    pub(crate) fn id(&self, index: u32) -> Id {
        Id {
            index,
            generation: self.slots[index as usize].generation,
        }
    }

    /// What `id` names, if it is there still.
    #[inline]
    pub(crate) fn at_mut(&mut self, id: Id) -> Option<&mut Limiter> {
        let slot = self.slots.get_mut(id.index as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        slot.limiter.as_mut()
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&Limiter> {
        self.slots.get(index as usize)?.limiter.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Limiter> {
        self.slots.get_mut(index as usize)?.limiter.as_mut()
    }

    /// How many numbers there have been.
    pub(crate) fn numbers(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }
}

impl Index<u32> for Limiters {
    type Output = Limiter;

    #[inline]
    fn index(&self, index: u32) -> &Limiter {
        self.get(index).expect("a window in use is there")
    }
}

impl IndexMut<u32> for Limiters {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut Limiter {
        self.get_mut(index).expect("a window in use is there")
    }
}
