//! Who waits for one window, in order.

use std::collections::VecDeque;
use std::mem;

use crate::book::waiter::Ticket;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shape::rolling::Places;

/// Those who stand in line for one window, and what has been offered to whom.
#[derive(Debug, Default)]
pub(crate) struct Line {
    first: Queue,
    rest: Queue,
    /// In the order in which they lapse. May name offers that are settled.
    offers: VecDeque<(Moment, Ticket)>,
    /// How many have this window among their claims, wherever they stand.
    members: usize,
    /// When the agenda has it looked after; `None` where it does not.
    due: Option<Moment>,
}

/// What is set aside for those before one who are kept waiting by other windows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SetAside {
    of_all: u64,
    of_rest: u64,
}

impl SetAside {
    pub(crate) fn add(&mut self, lane: Lane, cost: u32) {
        self.of_all += u64::from(cost);
        if lane == Lane::Rest {
            self.of_rest += u64::from(cost);
        }
    }

    /// What must be free for one of `lane` that wants `cost`.
    pub(crate) fn and(&self, lane: Lane, cost: u32) -> Places {
        let of_lane = match lane {
            Lane::First => self.of_all,
            Lane::Rest => self.of_rest,
        };
        Places {
            of_all: self.of_all + u64::from(cost),
            of_lane: of_lane + u64::from(cost),
        }
    }
}

/// Those of one lane, in order of their tickets.
#[derive(Debug, Default)]
struct Queue {
    tickets: VecDeque<Ticket>,
    /// What they want together.
    cost: u64,
}

impl Line {
    /// How many wait for this window, wherever they stand.
    pub(crate) fn members(&self) -> usize {
        self.members
    }

    pub(crate) fn enroll(&mut self) {
        self.members += 1;
    }

    pub(crate) fn dismiss(&mut self) {
        self.members -= 1;
    }

    /// How many stand in it.
    pub(crate) fn len(&self) -> usize {
        self.first.tickets.len() + self.rest.tickets.len()
    }

    /// Whether somebody of the lane stands in it.
    pub(crate) fn has(&self, lane: Lane) -> bool {
        !self.queue(lane).tickets.is_empty()
    }

    /// Puts one in, where its ticket says.
    pub(crate) fn stand(&mut self, lane: Lane, ticket: Ticket, cost: u32) {
        let queue = self.queue_mut(lane);
        queue.cost += u64::from(cost);
        match queue.tickets.back() {
            Some(&last) if last > ticket => {
                let index = queue.tickets.partition_point(|&other| other < ticket);
                queue.tickets.insert(index, ticket);
            }
            _ => queue.tickets.push_back(ticket),
        }
    }

    /// Takes one out, if it stands in it.
    pub(crate) fn step_out(&mut self, lane: Lane, ticket: Ticket, cost: u32) {
        let queue = self.queue_mut(lane);
        let index = match queue.tickets.front() {
            Some(&front) if front == ticket => Ok(0),
            _ => queue.tickets.binary_search(&ticket),
        };
        if let Ok(index) = index {
            queue.tickets.remove(index);
            queue.cost -= u64::from(cost);
        }
    }

    /// The one with `ahead` others before it. `rest_first`: the first of the rest goes before all.
    pub(crate) fn get(&self, ahead: usize, rest_first: bool) -> Option<Ticket> {
        let (first, rest) = (&self.first.tickets, &self.rest.tickets);
        let rest_first = rest_first && !first.is_empty();
        let index = match (ahead, rest_first) {
            (0, true) => return rest.front().copied(),
            (_, true) => ahead - 1,
            (_, false) => ahead,
        };
        match index.checked_sub(first.len()) {
            None => first.get(index).copied(),
            Some(index) => rest.get(index + usize::from(rest_first)).copied(),
        }
    }

    /// Those who stand before `ticket`, or would if it stood here too.
    pub(crate) fn before(
        &self,
        lane: Lane,
        ticket: Ticket,
        rest_hold_nothing: bool,
    ) -> impl Iterator<Item = Ticket> + '_ {
        let own = self.ahead_in_lane(lane, ticket);
        let (first, rest) = match lane {
            Lane::First => (own, usize::from(rest_hold_nothing)),
            Lane::Rest if own == 0 && rest_hold_nothing => (0, 0),
            Lane::Rest => (self.first.tickets.len(), own),
        };
        let first = self.first.tickets.iter().take(first);
        first.chain(self.rest.tickets.iter().take(rest)).copied()
    }

    /// The first of those who do not go first.
    pub(crate) fn first_of_rest(&self) -> Option<Ticket> {
        self.rest.tickets.front().copied()
    }

    /// All who stand in it.
    pub(crate) fn tickets(&self) -> impl Iterator<Item = Ticket> + '_ {
        self.first.tickets.iter().chain(&self.rest.tickets).copied()
    }

    /// How many of its own lane stand before `ticket`.
    pub(crate) fn ahead_in_lane(&self, lane: Lane, ticket: Ticket) -> usize {
        let here = &self.queue(lane).tickets;
        match (here.front(), here.back()) {
            // Most come last, and look when they are first.
            (_, Some(&last)) if last < ticket => here.len(),
            (_, Some(&last)) if last == ticket => here.len() - 1,
            (Some(&first), _) if first >= ticket => 0,
            _ => here.partition_point(|&other| other < ticket),
        }
    }

    /// What all want before whom a newcomer of `lane` has to wait, and it itself.
    pub(crate) fn places(&self, lane: Lane, cost: u32) -> Places {
        let own = self.queue(lane).cost + u64::from(cost);
        let before = match lane {
            Lane::First => 0,
            Lane::Rest => self.first.cost,
        };
        Places {
            of_all: own + before,
            of_lane: own,
        }
    }

    pub(crate) fn offer(&mut self, lapses: Moment, ticket: Ticket) {
        self.offers.push_back((lapses, ticket));
    }

    /// The offer that lapses first, if `is_open` says that it is one still.
    pub(crate) fn next_offer(
        &mut self,
        is_open: impl Fn(Ticket, Moment) -> bool,
    ) -> Option<(Moment, Ticket)> {
        while let Some(&(lapses, ticket)) = self.offers.front() {
            if is_open(ticket, lapses) {
                return Some((lapses, ticket));
            }
            self.offers.pop_front();
        }
        None
    }

    /// Forgets all offers, and says which there were. Some may be settled.
    pub(crate) fn take_offers(&mut self) -> VecDeque<(Moment, Ticket)> {
        mem::take(&mut self.offers)
    }

    /// Notes when it is to be looked after, if ever. Says when it was to be before.
    pub(crate) fn be_due(&mut self, at: Moment) -> Moment {
        let due = (at != Moment::NEVER).then_some(at);
        let before = mem::replace(&mut self.due, due);
        before.unwrap_or(Moment::NEVER)
    }

    /// When it is to be looked after.
    #[inline]
    pub(crate) fn due(&self) -> Moment {
        self.due.unwrap_or(Moment::NEVER)
    }

    /// The last of those of `lane` who stand in it, but for one.
    pub(crate) fn last_but_one(&self, lane: Lane) -> Option<Ticket> {
        let tickets = &self.queue(lane).tickets;
        tickets.get(tickets.len().checked_sub(2)?).copied()
    }

    fn queue(&self, lane: Lane) -> &Queue {
        match lane {
            Lane::First => &self.first,
            Lane::Rest => &self.rest,
        }
    }

    fn queue_mut(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::First => &mut self.first,
            Lane::Rest => &mut self.rest,
        }
    }
}
