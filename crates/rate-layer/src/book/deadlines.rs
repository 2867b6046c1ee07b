//! Until when each of those who wait may.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::book::waiter::Ticket;
use crate::moment::Moment;

/// How many may be listed who wait no more, besides as many as wait.
const SLACK: usize = 64;

type Deadline = (Moment, Ticket);

/// Those who wait, by the moment at which their patience ends.
///
/// Most have as much patience as those before them, so that their ends come in order, and a queue does; the others are in a heap.
/// One that has its place leaves its line in the list: to find it would cost more than it is worth. It is passed over when it
/// comes first, and all such are thrown out when they are more than those who wait.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    in_order: VecDeque<Deadline>,
    others: BinaryHeap<Reverse<Deadline>>,
}

impl Deadlines {
    /// Lists one. `waiting` is how many wait, and `waits` says of each whether it does.
    pub(super) fn put(
        &mut self,
        until: Moment,
        ticket: Ticket,
        waiting: usize,
        waits: impl Fn(&Ticket) -> bool,
    ) {
        if until == Moment::NEVER {
            return;
        }
        if self.len() >= 2 * waiting + SLACK {
            self.in_order.retain(|(_, ticket)| waits(ticket));
            self.others.retain(|Reverse((_, ticket))| waits(ticket));
        }
        match self.in_order.back() {
            Some(&(last, _)) if until < last => self.others.push(Reverse((until, ticket))),
            _ => self.in_order.push_back((until, ticket)),
        }
    }

    /// Whether one is listed whose patience ends by `until`; it may wait no more.
    #[inline]
    pub(super) fn have_one_by(&self, until: Moment) -> bool {
        self.in_order
            .front()
            .is_some_and(|(first, _)| *first <= until)
    }

    /// When the patience of the next one ends.
    pub(super) fn next(&mut self, waits: impl Fn(&Ticket) -> bool) -> Moment {
        while self.in_order.front().is_some_and(|(_, one)| !waits(one)) {
            self.in_order.pop_front();
        }
        while self
            .others
            .peek()
            .is_some_and(|Reverse((_, one))| !waits(one))
        {
            self.others.pop();
        }
        self.first().map_or(Moment::NEVER, |(until, _)| until)
    }

    /// Takes one out whose patience has ended by `now`. It may wait no more by now.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<Ticket> {
        let first = self.first().filter(|(until, _)| *until <= now)?;
        if self.in_order.front() == Some(&first) {
            self.in_order.pop_front();
        } else {
            self.others.pop();
        }
        Some(first.1)
    }

    /// Forgets all: nobody waits.
    pub(super) fn clear(&mut self) {
        if self.in_order.capacity() + self.others.capacity() > SLACK {
            *self = Self::default();
        }
        self.in_order.clear();
        self.others.clear();
    }

    fn first(&self) -> Option<Deadline> {
        let others = self.others.peek().map(|Reverse(first)| first);
        self.in_order
            .front()
            .into_iter()
            .chain(others)
            .min()
            .copied()
    }

    fn len(&self) -> usize {
        self.in_order.len() + self.others.len()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    #[test]
    fn who_has_left_is_passed_over() {
        let mut deadlines = Deadlines::default();
        let tickets = [3, 1, 2].map(|number| Ticket::new(number, 0));
        for (ticket, until) in tickets.into_iter().zip([30, 10, 20]) {
            deadlines.put(at(until), ticket, 3, |_| true);
        }
        assert_eq!(deadlines.next(|_| true), at(10));
        assert_eq!(deadlines.next(|ticket| *ticket != tickets[1]), at(20));
        assert_eq!(deadlines.take_due(at(19)), None);
        assert_eq!(deadlines.take_due(at(20)), Some(tickets[2]));
        assert_eq!(deadlines.next(|_| false), Moment::NEVER);
    }

    #[test]
    fn those_who_have_left_are_never_many_more_than_those_who_wait() {
        let mut deadlines = Deadlines::default();
        // Ten wait at a time, each for an hour at the most, and most get their place at once.
        for number in 0..100_000 {
            let waits = |ticket: &Ticket| *ticket > Ticket::new(number - number.min(10), 0);
            deadlines.put(at(1_000_000 + number), Ticket::new(number, 0), 10, waits);
            assert!(deadlines.len() <= 2 * 10 + SLACK);
        }
        assert_eq!(deadlines.next(|_| true).as_nanos() / 1_000_000, 1);
        deadlines.clear();
        assert_eq!(deadlines.next(|_| true), Moment::NEVER);
    }

    #[test]
    fn who_waits_as_long_as_it_takes_is_not_listed() {
        let mut deadlines = Deadlines::default();
        deadlines.put(Moment::NEVER, Ticket::new(0, 0), 1, |_| true);
        assert_eq!(deadlines.len(), 0);
    }
}
