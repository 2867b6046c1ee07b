//! All who wait, by ticket.

use std::ops::Index;

use crate::book::waiter::{Ticket, Waiter};

/// How many there is room for in one block; so much may stay once nobody waits.
const BLOCK: usize = 64;

/// All who wait. A ticket says where its holder is: nobody is searched for.
///
/// In blocks, so that a crowd that grows need not move, all of it, while everybody waits for the lock.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    issued: u64,
    blocks: Vec<Vec<Slot>>,
    /// How many slots there are.
    slots: usize,
    /// Slots in which nobody is.
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    /// Whose it is, or was last.
    ticket: Ticket,
    waiter: Option<Waiter>,
}

impl Waiters {
    /// How many there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.slots - self.free.len()
    }

    /// Adds one, and issues its ticket: later than all others.
    pub(crate) fn insert(&mut self, waiter: Waiter) -> Ticket {
        let slot = self.free.pop();
        let slot = slot.unwrap_or(u32::try_from(self.slots).unwrap_or(u32::MAX));
        let ticket = Ticket::new(self.issued, slot);
        self.issued += 1;
        let taken = Slot {
            ticket,
            waiter: Some(waiter),
        };
        match self.at_mut(slot) {
            Some(free) => *free = taken,
            None => self.push(taken),
        }
        ticket
    }

    fn push(&mut self, slot: Slot) {
        self.slots += 1;
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(slot),
            last => {
                // The first grows as it is needed: few wait, as a rule.
                let mut block = Vec::with_capacity(last.map_or(0, |_| BLOCK));
                block.push(slot);
                self.blocks.push(block);
            }
        }
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, ticket: &Ticket) -> Option<Waiter> {
        let waiter = self.slot_mut(ticket)?.waiter.take()?;
        self.free.push(ticket.slot());
        if self.len() == 0 && self.slots > BLOCK {
            // Nobody is left of the many that there were.
            (self.blocks, self.slots, self.free) = (Vec::new(), 0, Vec::new());
        }
        Some(waiter)
    }

    #[inline]
    pub(crate) fn get(&self, ticket: &Ticket) -> Option<&Waiter> {
        let (block, place) = place_of(ticket.slot());
        let slot = self.blocks.get(block)?.get(place)?;
        if slot.ticket != *ticket {
            return None;
        }
        slot.waiter.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, ticket: &Ticket) -> Option<&mut Waiter> {
        self.slot_mut(ticket)?.waiter.as_mut()
    }

    /// All of them.
    #[cfg(test)]
    pub(crate) fn values(&self) -> impl Iterator<Item = &Waiter> {
        let slots = self.blocks.iter().flatten();
        slots.filter_map(|slot| slot.waiter.as_ref())
    }

    #[inline]
    fn slot_mut(&mut self, ticket: &Ticket) -> Option<&mut Slot> {
        let slot = self.at_mut(ticket.slot())?;
        (slot.ticket == *ticket).then_some(slot)
    }

    #[inline]
    fn at_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        let (block, place) = place_of(slot);
        self.blocks.get_mut(block)?.get_mut(place)
    }
}

/// In which block a slot is, and where in it.
#[inline]
fn place_of(slot: u32) -> (usize, usize) {
    let slot = slot as usize;
    (slot / BLOCK, slot % BLOCK)
}

impl Index<&Ticket> for Waiters {
    type Output = Waiter;

    #[inline]
    fn index(&self, ticket: &Ticket) -> &Waiter {
        self.get(ticket).expect("one who stands in line is there")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::book::claims::Claims;
    use crate::book::waiter::Standing;
    use crate::lane::Lane;
    use crate::moment::Moment;

    fn waiter(fronts: u32) -> Waiter {
        Waiter {
            claims: Claims::new(),
            lane: Lane::Rest,
            stands_with: Lane::Rest,
            standing: Standing::InLine(0),
            fronts,
            until: Moment::NEVER,
            waker: None,
        }
    }

    #[test]
    fn a_ticket_names_its_holder_and_nobody_who_comes_later() {
        let mut waiters = Waiters::default();
        let first = waiters.insert(waiter(1));
        let second = waiters.insert(waiter(2));
        assert!(
            waiters
                .remove(&first)
                .is_some_and(|waiter| waiter.fronts == 1)
        );
        let third = waiters.insert(waiter(3));
        assert!(first < second && second < third);
        assert!(waiters.get(&first).is_none() && waiters.remove(&first).is_none());
        assert_eq!(waiters[&second].fronts, 2);
        assert_eq!(waiters[&third].fronts, 3);
        assert!(waiters.get(&Ticket::NEWCOMER).is_none());
    }

    #[test]
    fn a_crowd_leaves_no_room_behind() {
        let mut waiters = Waiters::default();
        let tickets: Vec<Ticket> = (0..1_000).map(|n| waiters.insert(waiter(n))).collect();
        for ticket in &tickets {
            assert!(waiters.remove(ticket).is_some());
        }
        assert_eq!((waiters.blocks.capacity(), waiters.free.capacity()), (0, 0));
        let next = waiters.insert(waiter(7));
        assert!(
            tickets
                .iter()
                .all(|ticket| *ticket < next && waiters.get(ticket).is_none())
        );
        assert_eq!(waiters[&next].fronts, 7);
    }
}
