//! The short ways that most requests go decide as the long ones.

use std::time::Duration;

use proptest::prelude::*;

use super::desk::{Desk, Seen, at};
use crate::book::outcome::Denied;
use crate::book::waiter::Claim;
use crate::book::{Book, Holding};
use crate::lane::Lane;
use crate::moment::Moment;
use crate::quota::{Quota, SECOND};
use crate::shape::rolling::Ending;

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Admit { first: bool, cost: u32 },
    End { which: prop::sample::Index, how: u8 },
    SetLimit(u32),
    Pause(bool),
    Throttled(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..700).prop_map(Step::Pass),
        8 => (prop::bool::weighted(0.05), prop_oneof![6 => Just(1_u32), 1 => 2_u32..4])
            .prop_map(|(first, cost)| Step::Admit { first, cost }),
        8 => (any::<prop::sample::Index>(), 0_u8..10).prop_map(|(which, how)| Step::End { which, how }),
        1 => (1_u32..6).prop_map(Step::SetLimit),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => (1_u64..900).prop_map(Step::Throttled),
    ]
}

fn quota() -> impl Strategy<Value = Quota> {
    let plain = Quota::rolling(4, SECOND);
    prop_oneof![
        6 => Just(plain),
        1 => Just(plain.reserve(2)),
        1 => Just(plain.tick(Duration::from_millis(100))),
    ]
}

/// Whatever is short.
fn admit_shortly(
    desk: &mut Desk,
    now: Moment,
    claim: &mut Claim,
    lane: Lane,
) -> Result<(), Denied> {
    desk.act(|book, wakes| {
        if book.admit_one_unseen(claim, lane) {
            return Ok(());
        }
        book.admit_one(now, claim, lane, wakes)
    })
}

fn end(desk: &mut Desk, now: Moment, claim: &Claim, lane: Lane, ending: Ending, shortly: bool) {
    let claims = std::slice::from_ref(claim);
    let holding = Holding {
        claims,
        lane,
        departed: None,
    };
    desk.act(|book, wakes| match shortly {
        true => book.end(now, holding, ending, wakes),
        false => book.end_any(now, holding, ending, wakes),
    });
}

fn play(quota: Quota, steps: Vec<Step>) {
    let (mut short, mut long) = (Desk::new([quota]), Desk::new([quota]));
    let id = short.windows[0];
    let (mut now, mut held) = (0, Vec::new());
    for step in steps {
        match step {
            Step::Pass(millis) => now += millis,
            Step::Admit { first, cost } => {
                let lane = if first { Lane::First } else { Lane::Rest };
                let (mut shortly, mut at_length) = (Claim::new(id, cost), Claim::new(id, cost));
                let outcome = admit_shortly(&mut short, at(now), &mut shortly, lane);
                let claims = std::slice::from_mut(&mut at_length);
                let expected = long.act(|book, wakes| book.admit(at(now), claims, lane, wakes));
                assert_eq!(outcome, expected, "at {now}");
                if outcome.is_ok() {
                    held.push((shortly, lane));
                }
            }
            Step::End { which, how } if !held.is_empty() => {
                let (claim, lane) = held.swap_remove(which.index(held.len()));
                let ending = match how {
                    0 => Ending::Abandoned,
                    1 => Ending::NeverLeft,
                    _ => Ending::Answered,
                };
                end(&mut short, at(now), &claim, lane, ending, true);
                end(&mut long, at(now), &claim, lane, ending, false);
            }
            Step::End { .. } => {}
            change => {
                for desk in [&mut short, &mut long] {
                    desk.act(|book: &mut Book, wakes| match change {
                        Step::SetLimit(limit) => {
                            book.set_limit(at(now), id, None, limit, wakes);
                        }
                        Step::Pause(true) => book.pause(at(now), id, wakes),
                        Step::Pause(false) => book.resume(at(now), id, wakes),
                        Step::Throttled(millis) => {
                            book.throttled(at(now), id, Some(at(now + millis)), wakes);
                        }
                        _ => {}
                    });
                }
            }
        }
        let readings = [&mut short, &mut long].map(|desk| {
            let reading = desk.book.reading(at(now), id).expect("it is there");
            let tally = reading.tally;
            (
                [reading.limit, reading.closing, reading.in_flight],
                reading.next_free,
                [
                    tally.admitted,
                    tally.refused,
                    tally.abandoned,
                    tally.given_back,
                ],
            )
        });
        assert_eq!(readings[0], readings[1], "at {now}");
    }
}

proptest! {
    #[test]
    fn the_short_ways_decide_as_the_long_ones(
        quota in quota(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        play(quota, steps);
    }
}

#[test]
fn a_place_that_is_answered_now_may_free_before_one_that_is_abandoned() {
    let mut desk = Desk::new([Quota::rolling(2, SECOND)]);
    let given_up = desk.admit(0, Lane::Rest, &[(0, 1)]);
    let _in_flight = desk.admit(0, Lane::Rest, &[(0, 1)]);
    desk.end(0, Lane::Rest, &given_up, Ending::Abandoned);
    let waits = desk.join(0, Lane::Rest, &[(0, 1)]);
    assert_eq!(waits.event, at(1_010));
}

#[test]
fn one_that_missed_its_offer_and_costs_too_much_by_now_is_told_when_it_looks() {
    let mut desk = Desk::new([Quota::rolling(3, SECOND)]);
    let held = desk.admit(0, Lane::Rest, &[(0, 3)]);
    let sleeper = desk.join(0, Lane::Rest, &[(0, 2)]);
    let next = desk.join(0, Lane::Rest, &[(0, 1)]);
    desk.end(0, Lane::Rest, &held, Ending::NeverLeft);
    // Its offer lapses, and the next one has a place.
    assert_eq!(desk.look(60, &next), Seen::Admitted);
    let id = desk.windows[0];
    desk.act(|book, wakes| book.set_limit(at(60), id, None, 1, wakes));
    assert_eq!(desk.look(61, &sleeper), Seen::Never(1));
}

#[test]
fn an_answer_serves_those_who_sleep() {
    let mut desk = Desk::new([Quota::rolling(2, SECOND)]);
    let first = desk.admit(0, Lane::Rest, &[(0, 1)]);
    let second = desk.admit(0, Lane::Rest, &[(0, 1)]);
    desk.end(0, Lane::Rest, &first, Ending::Answered);
    let sleeper = desk.join(0, Lane::Rest, &[(0, 1)]);
    // Its place has freed, and nobody has looked.
    desk.end(1_500, Lane::Rest, &second, Ending::Answered);
    assert!(sleeper.called.take());
    assert_eq!(desk.look(1_500, &sleeper), Seen::Admitted);
}

#[test]
fn one_behind_another_that_wants_more_is_not_looked_after_before_that_one() {
    let mut desk = Desk::new([Quota::rolling(4, SECOND)]);
    for now in 0..4 {
        let held = desk.admit(now, Lane::Rest, &[(0, 1)]);
        desk.end(now, Lane::Rest, &held, Ending::Answered);
    }
    let wants_more = desk.join(3, Lane::Rest, &[(0, 3)]);
    let waits = desk.join(3, Lane::Rest, &[(0, 1)]);
    assert_eq!(wants_more.event, at(1_012));
    assert_eq!(waits.event, at(1_012));
}
