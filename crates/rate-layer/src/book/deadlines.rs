//! Until when each of those who wait may.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::book::waiter::Ticket;
use crate::moment::Moment;

/// How many may be listed who wait no more, besides as many as wait.
const SLACK: usize = 64;

/// Those who wait, by the moment at which their patience ends.
///
/// One that has its place leaves its line in the list: to find it would cost more than it is worth. It is passed over when it
/// comes first, and all such are thrown out when they are more than those who wait.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    list: BinaryHeap<Reverse<(Moment, Ticket)>>,
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
        if self.list.len() >= 2 * waiting + SLACK {
            self.list.retain(|Reverse((_, ticket))| waits(ticket));
        }
        self.list.push(Reverse((until, ticket)));
    }

    /// When the patience of the next one ends.
    pub(super) fn next(&mut self, waits: impl Fn(&Ticket) -> bool) -> Moment {
        while let Some(Reverse((until, ticket))) = self.list.peek() {
            if waits(ticket) {
                return *until;
            }
            self.list.pop();
        }
        Moment::NEVER
    }

    /// Takes one out whose patience has ended by `now`. It may wait no more by now.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<Ticket> {
        let Reverse((until, ticket)) = *self.list.peek()?;
        (until <= now).then(|| {
            self.list.pop();
            ticket
        })
    }

    /// Forgets all: nobody waits.
    pub(super) fn clear(&mut self) {
        if self.list.capacity() > SLACK {
            self.list = BinaryHeap::new();
        }
        self.list.clear();
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
            assert!(deadlines.list.len() <= 2 * 10 + SLACK);
        }
        assert_eq!(deadlines.next(|_| true).as_nanos() / 1_000_000, 1);
        deadlines.clear();
        assert_eq!(deadlines.next(|_| true), Moment::NEVER);
    }

    #[test]
    fn who_waits_as_long_as_it_takes_is_not_listed() {
        let mut deadlines = Deadlines::default();
        deadlines.put(Moment::NEVER, Ticket::new(0, 0), 1, |_| true);
        assert!(deadlines.list.is_empty());
    }
}
