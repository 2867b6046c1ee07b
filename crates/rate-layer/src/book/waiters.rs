//! All who wait, by ticket.

use std::ops::Index;

use crate::book::waiter::{Ticket, Waiter};

/// How much room for waiters may stay once nobody waits.
const KEPT: usize = 64;

/// All who wait. A ticket says where its holder is: nobody is searched for.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    issued: u64,
    slots: Vec<Slot>,
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
        self.slots.len() - self.free.len()
    }

    /// Adds one, and issues its ticket: later than all others.
    pub(crate) fn insert(&mut self, waiter: Waiter) -> Ticket {
        let slot = self.free.pop();
        let slot = slot.unwrap_or(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        let ticket = Ticket::new(self.issued, slot);
        self.issued += 1;
        let taken = Slot {
            ticket,
            waiter: Some(waiter),
        };
        match self.slots.get_mut(slot as usize) {
            Some(free) => *free = taken,
            None => self.slots.push(taken),
        }
        ticket
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, ticket: &Ticket) -> Option<Waiter> {
        let waiter = self.slot_mut(ticket)?.waiter.take()?;
        self.free.push(ticket.slot());
        if self.free.len() == self.slots.len() && self.slots.len() > KEPT {
            // Nobody is left of the many that there were.
            (self.slots, self.free) = (Vec::new(), Vec::new());
        }
        Some(waiter)
    }

    #[inline]
    pub(crate) fn get(&self, ticket: &Ticket) -> Option<&Waiter> {
        let slot = self.slots.get(ticket.slot() as usize)?;
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
        self.slots.iter().filter_map(|slot| slot.waiter.as_ref())
    }

    #[inline]
    fn slot_mut(&mut self, ticket: &Ticket) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(ticket.slot() as usize)?;
        (slot.ticket == *ticket).then_some(slot)
    }
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
    use crate::book::waiter::{Claims, Standing};
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
        assert_eq!(waiters.slots.capacity(), 0);
        let next = waiters.insert(waiter(7));
        assert!(
            tickets
                .iter()
                .all(|ticket| *ticket < next && waiters.get(ticket).is_none())
        );
        assert_eq!(waiters[&next].fronts, 7);
    }
}
