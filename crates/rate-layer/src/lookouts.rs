//! Who looks after the queue, and when.
//!
//! A place that frees is offered when somebody *looks*, and a waiter looks when its own timer, its alarm, sounds. No runtime
//! can be trusted to poll a given waiter, so no waiter may depend on another one. On the other hand, if each of thousands
//! looked at every moment at which something might happen, they would do little else. So an alarm is set
//!
//! - for the first in line: at the next event, which is the next place to free or the next offer to lapse;
//! - for the *lookouts*, 1, 4, 16, 64 … places behind it and the last one: 12 ms a place later. By then the event has been
//!   seen to, unless those ahead sleep, and an offer lapses after 50 ms. So one sleeper costs the others less than 100 ms,
//!   and a row of them less than 100 ms each;
//! - for one that has just looked and found something to do: at the next event. It may be the only one awake;
//! - for everybody: at its own turn, when as many places will have freed as it and those ahead need. That is what remains
//!   if all lookouts should sleep. As long as it is a guess, it is taken at four times the distance.
//!
//! A change that nobody could foresee (a place given back, a waiter gone) calls those of the lookouts whose alarms it makes
//! too late. A live queue of n so costs two polls a grant, and some times log₄ n more when places come one by one.

use std::time::Duration;

use crate::moment::Moment;
use crate::queue::{Queue, Ticket, Wakes};
use crate::rolling::Rolling;

/// How much later a lookout looks for each waiter that stands before it.
const LOOK_AFTER: Duration = Duration::from_millis(12);

/// When something may happen next by the mere passing of time, if anybody stands in line.
pub(crate) fn next_event(rolling: &Rolling, queue: &mut Queue, now: Moment) -> Option<Moment> {
    let first = queue.first_cost()?;
    let turn = rolling.turn(now, u64::from(first)).at;
    Some(queue.next_lapse().map_or(turn, |lapse| lapse.min(turn)))
}

/// When the holder of `ticket` must look again.
pub(crate) fn alarm(rolling: &Rolling, queue: &mut Queue, now: Moment, ticket: Ticket) -> Moment {
    let Some(event) = next_event(rolling, queue, now) else {
        return Moment::NEVER;
    };
    let ahead = queue.ahead(ticket);
    if ahead == 0 {
        return event;
    }
    // Each of those ahead needs one place at least.
    let turn = rolling.turn(now, ahead as u64 + 1);
    let own = if turn.in_sight {
        turn.at
    } else {
        turn.at.after(3 * turn.at.since(now))
    };
    if is_lookout(ahead, queue.in_line()) {
        own.min(lookouts_alarm(event, ahead))
    } else {
        own
    }
}

/// Calls the lookouts that would look too late by themselves.
pub(crate) fn call(rolling: &Rolling, queue: &mut Queue, now: Moment, wakes: &mut Wakes) {
    let Some(event) = next_event(rolling, queue, now) else {
        return;
    };
    let last = queue.in_line() - 1;
    queue.rouse(0, event, wakes);
    let mut ahead = 1;
    while ahead < last {
        queue.rouse(ahead, lookouts_alarm(event, ahead), wakes);
        ahead *= 4;
    }
    queue.rouse(last, lookouts_alarm(event, last), wakes);
}

fn is_lookout(ahead: usize, in_line: usize) -> bool {
    let power_of_four = ahead.is_power_of_two() && ahead.trailing_zeros().is_multiple_of(2);
    power_of_four || ahead + 1 == in_line
}

fn lookouts_alarm(event: Moment, ahead: usize) -> Moment {
    let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
    event.after(LOOK_AFTER.saturating_mul(ahead))
}
