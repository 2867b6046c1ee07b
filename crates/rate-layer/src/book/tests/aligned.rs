//! Windows that follow the server's clock, against a server that has one.

use std::time::Duration;

use proptest::prelude::*;

use super::desk::{Desk, Seen, at};
use crate::book::claims::Claims;
use crate::book::{Answer, Holding};
use crate::lane::Lane::Rest;
use crate::moment::Moment;
use crate::quota::{Quota, SECOND};

const WINDOW: u64 = 10_000;
const LIMIT: u32 = 20;

fn window() -> Duration {
    Duration::from_millis(WINDOW)
}

/// How a request comes to the server: how long it takes there, and back.
#[derive(Clone, Copy, Debug)]
struct Trip {
    out: u64,
    back: u64,
}

/// What came of a client that always has something to send.
struct Outcome {
    /// The most that the server counted in one of its windows.
    most: usize,
    counted: usize,
}

/// Sends as much as the window lets through, for so many milliseconds, to a server whose clock shows `offset` more than ours.
fn send(quota: Quota, offset: u64, trips: &[Trip], until: u64) -> Outcome {
    let mut desk = Desk::new([quota]);
    let mut trips = trips.iter().copied().cycle();
    let (mut now, mut counted) = (0, Vec::new());
    let mut under_way: Vec<(u64, u64, Moment, Claims)> = Vec::new();
    let mut waits = None;
    while now < until {
        under_way.sort_by_key(|call| call.0);
        while under_way.first().is_some_and(|call| call.0 <= now) {
            let (_, made, departed, claims) = under_way.remove(0);
            let answer = Answer {
                date: Some(Duration::from_secs((offset + made) / 1_000)),
                ..Answer::NOTHING
            };
            let holding = Holding {
                claims: &claims,
                lane: Rest,
                departed: Some(departed),
            };
            desk.act(|book, wakes| book.answered(at(now), holding, &answer, wakes));
        }
        loop {
            let admitted = match waits.take() {
                None => match desk.try_join(now, Rest, &[(0, 1)], super::desk::FOREVER) {
                    Ok(None) => true,
                    Ok(waiting) => {
                        waits = waiting;
                        false
                    }
                    Err(denied) => panic!("{denied:?}"),
                },
                Some(mut waiting) => match desk.look(now, &waiting) {
                    Seen::Admitted => true,
                    Seen::Until(alarm) => {
                        assert!(alarm > at(now));
                        waiting.event = alarm;
                        waits = Some(waiting);
                        false
                    }
                    other => panic!("{other:?}"),
                },
            };
            if !admitted {
                break;
            }
            let claims = desk.claims(&[(0, 1)]);
            let departed = desk.act(|book, _| book.depart(at(now), &claims, Rest));
            let trip = trips.next().expect("they go round");
            let made = now + trip.out;
            counted.push((offset + made) / WINDOW);
            under_way.push((made + trip.back, made, departed, claims));
        }
        let alarm = waits.as_ref().map(|one| one.event.since(at(0)));
        let alarm = alarm.map(|alarm| u64::try_from(alarm.as_nanos().div_ceil(1_000_000)));
        let alarm = alarm.and_then(Result::ok).unwrap_or(u64::MAX);
        let answer = under_way.iter().map(|call| call.0).min();
        now = answer.unwrap_or(u64::MAX).min(alarm).max(now + 1);
    }
    let mut by_window = std::collections::BTreeMap::new();
    for window in &counted {
        *by_window.entry(window).or_insert(0) += 1;
    }
    Outcome {
        most: by_window.values().copied().max().unwrap_or(0),
        counted: counted.len(),
    }
}

fn trip() -> impl Strategy<Value = Trip> {
    let way = || prop_oneof![4 => 1_u64..80, 1 => 200_u64..1_500];
    (way(), way()).prop_map(|(out, back)| Trip { out, back })
}

proptest! {
    #[test]
    fn no_window_of_the_servers_clock_ever_holds_too_many(
        offset in 1_795_792_236_000_u64..1_795_792_256_000,
        trips in prop::collection::vec(trip(), 1..60),
    ) {
        let outcome = send(Quota::aligned(LIMIT, window()), offset, &trips, 100_000);
        prop_assert!(outcome.most <= LIMIT as usize, "{}", outcome.most);
    }
}

#[test]
fn once_the_clock_is_known_every_window_is_used_where_a_rolling_one_loses_its_latency() {
    // Slow enough that a rolling window loses a tenth: the places of each second are known by its end.
    let trips: Vec<Trip> = (0..40)
        .map(|number| Trip {
            out: 10 + 7 * (number % 13),
            back: 10 + 11 * (number % 17),
        })
        .collect();
    let until = 50 * WINDOW;
    let aligned = send(
        Quota::aligned(LIMIT, window()),
        1_795_792_236_400,
        &trips,
        until,
    );
    let rolling = send(
        Quota::rolling(LIMIT, window()),
        1_795_792_236_400,
        &trips,
        until,
    );
    assert!(
        aligned.counted > rolling.counted,
        "{} and {}",
        aligned.counted,
        rolling.counted
    );
    // All but the first window or two, until the clock is known.
    assert!(
        aligned.counted >= 48 * LIMIT as usize,
        "{}",
        aligned.counted
    );
    assert!(aligned.most <= LIMIT as usize);
}

#[test]
fn a_turn_two_rounds_ahead_is_at_the_servers_next_boundary() {
    // A place taken before the clock is known is held for a whole window.
    let mut desk = Desk::new([Quota::aligned(1, 60 * SECOND)]);
    let claims = desk.admit(0, Rest, &[(0, 1)]);
    desk.depart_and_end([0, 0], &claims, crate::shape::rolling::Ending::Answered);
    // The server's minute ends 24 s from the beginning of ours: at 24 s, at 84 s.
    for made in 0..20 {
        let date = Duration::from_millis(1_795_792_236_000 + made * 50);
        let limiter = &mut desk.book.limiters[desk.windows[0].index];
        let memory = limiter.memory_mut();
        memory.learn(date, at(made * 50), at(made * 50 + 1));
    }
    let first = desk.admit_or_turn(1_000, 1).expect_err("it is taken");
    assert_eq!(first, at(60_060));
    desk.join(1_000, Rest, &[(0, 1)]);
    let second = desk.admit_or_turn(1_000, 1).expect_err("it is taken");
    assert!(second <= at(84_000), "{second:?}");
    assert!(second >= at(82_900), "{second:?}");
}
