//! Numbers that are as high as they can be.

use std::time::Duration;

use super::desk::{Desk, at};
use crate::book::outcome::Denied;
use crate::lane::Lane::{First, Rest};
use crate::pace::Pace;
use crate::quota::{Quota, SECOND};
use crate::shape::rolling::Ending;

#[test]
fn corrections_to_the_highest_cost_leave_the_window_closed_and_then_open() {
    let mut desk = Desk::new([Quota::rolling(3, SECOND)]);
    let places = [(); 2].map(|()| {
        let place = desk.admit(0, Rest, &[(0, 1)]);
        desk.end(0, Rest, &place, Ending::Answered);
        place
    });
    for place in &places {
        desk.correct(1, place[0], u32::MAX, 0);
    }
    let first = desk.admit_or_turn(2, 1);
    assert_eq!(first, Err(at(1_010)));
    desk.admit(1_010, First, &[(0, 3)]);
    assert_eq!(desk.taken(1_010, 0), (3, 0));
}

#[test]
fn the_highest_cost_is_refused_by_the_highest_limit_but_one() {
    let mut desk = Desk::new([Quota::rolling(u32::MAX - 1, SECOND).reserve(u32::MAX - 2)]);
    assert_eq!(
        desk.try_admit(0, First, &[(0, u32::MAX)]),
        Err(Denied::Never(u32::MAX - 1))
    );
    desk.admit(0, First, &[(0, u32::MAX - 2)]);
    desk.admit(0, Rest, &[(0, 1)]);
    let denied = desk.try_join(0, First, &[(0, u32::MAX - 1)], super::desk::FOREVER);
    assert!(denied.is_ok_and(|waiting| waiting.is_some()));
    let id = desk.windows[0];
    desk.act(|book, wakes| book.set_limit(at(0), id, None, 1, wakes));
}

#[test]
fn a_pace_of_centuries_admits_its_burst_and_then_waits() {
    for pace in [
        Pace::every(Duration::MAX),
        Pace::every(Duration::MAX).burst(u32::MAX),
        Pace::every(Duration::from_secs(86_400)).burst(u32::MAX),
    ] {
        let mut desk = Desk::new([pace]);
        desk.admit(0, Rest, &[(0, pace.at_once())]);
        let Err(Denied::TooLate(turn)) = desk.try_admit(0, Rest, &[(0, 1)]) else {
            panic!("it is used up")
        };
        assert!(turn > at(0), "{turn:?}");
    }
}

#[test]
fn the_longest_times_keep_places_for_good() {
    let quota = Quota::rolling(1, Duration::MAX)
        .grace(Duration::MAX)
        .settle(Duration::MAX)
        .tick(Duration::MAX)
        .margin(Duration::MAX);
    for quota in [quota, quota.counted_within(Duration::MAX)] {
        let mut desk = Desk::new([quota]);
        let place = desk.admit(0, Rest, &[(0, 1)]);
        desk.depart_and_end([1, 2], &place, Ending::Abandoned);
        assert_eq!(desk.taken(1_000_000_000, 0), (0, 1));
    }
}
