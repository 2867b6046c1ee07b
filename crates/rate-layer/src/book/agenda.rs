//! When which line is to be looked after.

use std::collections::BTreeSet;

use crate::moment::Moment;

/// Lines by the moment at which something may happen next in them. Lines in which nothing may happen are not in it, so it is no
/// longer than the list of those in which somebody stands, and what is due is found without a look at the others.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    events: BTreeSet<(Moment, u32)>,
}

impl Agenda {
    /// When something may happen next in any line.
    #[inline]
    pub(super) fn next(&self) -> Moment {
        self.first().map_or(Moment::NEVER, |(at, _)| at)
    }

    /// The line in which something may happen next, and when.
    #[inline]
    pub(super) fn first(&self) -> Option<(Moment, u32)> {
        self.events.first().copied()
    }

    /// Puts the line at `index` from one moment to another.
    pub(super) fn put(&mut self, index: u32, from: Moment, to: Moment) {
        if from != Moment::NEVER {
            self.events.remove(&(from, index));
        }
        if to != Moment::NEVER {
            self.events.insert((to, index));
        }
    }

    /// The lines in which something may happen by `now`.
    pub(super) fn due(&self, now: Moment) -> impl Iterator<Item = u32> + '_ {
        let due = self.events.range(..=(now, u32::MAX));
        due.map(|&(_, index)| index)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    #[test]
    fn lines_are_due_in_their_order_and_a_line_is_there_once() {
        let mut agenda = Agenda::default();
        assert_eq!(agenda.next(), Moment::NEVER);
        agenda.put(7, Moment::NEVER, at(30));
        agenda.put(8, Moment::NEVER, at(20));
        agenda.put(9, Moment::NEVER, at(20));
        agenda.put(7, at(30), at(10));
        assert_eq!(agenda.next(), at(10));
        assert_eq!(agenda.due(at(9)).count(), 0);
        assert_eq!(agenda.due(at(20)).collect::<Vec<_>>(), [7, 8, 9]);
        agenda.put(7, at(10), Moment::NEVER);
        agenda.put(8, at(20), at(21));
        assert_eq!(agenda.due(at(20)).collect::<Vec<_>>(), [9]);
        agenda.put(9, at(20), Moment::NEVER);
        agenda.put(8, at(21), Moment::NEVER);
        assert_eq!(agenda.next(), Moment::NEVER);
    }
}
