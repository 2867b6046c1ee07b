//! What a window makes of what the server says.

use std::time::Duration;

use super::desk::{Desk, Seen, at};
use crate::book::claims::Claims;
use crate::book::outcome::Denied;
use crate::lane::Lane::Rest;
use crate::quota::{Quota, SECOND, Start};
use crate::server::Stated;
use crate::shape::rolling::Ending;

/// Ten a second, held for 1010 ms.
const TEN: Quota = Quota::rolling(10, SECOND);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The limits of a window's tiers, as they are now.
fn limits(desk: &Desk) -> Vec<u32> {
    let limiter = &desk.book.limiters[desk.windows[0].index];
    limiter
        .tiers
        .windows()
        .map(|window| window.limit())
        .collect()
}

/// A request that is answered at once with something stated.
fn ask(desk: &mut Desk, now: u64, stated: Stated) {
    let claims = desk.admit(now, Rest, &[(0, 1)]);
    desk.answer(now, &claims, &[stated], true, 1);
}

#[test]
fn a_count_of_what_remains_closes_what_others_have_taken_and_opens_nothing() {
    for (remaining, closing) in [(0, 10), (4, 6), (9, 1), (10, 1), (u64::MAX, 1)] {
        let mut desk = Desk::new([TEN]);
        ask(&mut desk, 0, Stated::new().remaining(remaining));
        assert_eq!(desk.taken(0, 0), (0, closing), "{remaining}");
        assert_eq!(
            desk.taken(1_010, 0),
            (0, 0),
            "no longer than our own places"
        );
    }
}

#[test]
fn a_reset_frees_it_sooner_and_never_later_than_our_own_places() {
    for (reset, free) in [
        (0, 0),
        (300, 300),
        (1_010, 1_010),
        (366 * 86_400_000, 1_010),
    ] {
        let mut desk = Desk::new([TEN]);
        ask(
            &mut desk,
            0,
            Stated::new().remaining(0).reset(millis(reset)),
        );
        if free > 0 {
            assert_eq!(desk.taken(free - 1, 0), (0, 10), "{reset}");
        }
        let own = u32::from(free < 1_010);
        assert_eq!(desk.taken(free, 0), (0, own), "{reset}");
    }
}

#[test]
fn what_has_freed_since_a_request_was_admitted_may_be_what_the_server_still_counted() {
    let mut desk = Desk::new([TEN]);
    for _ in 0..4 {
        let early = desk.admit(0, Rest, &[(0, 1)]);
        desk.end(0, Rest, &early, Ending::Answered);
    }
    let late = desk.admit(1_000, Rest, &[(0, 1)]);
    // Four have freed by the time of the answer. The server counted them, and five others that are not ours.
    assert_eq!(desk.taken(1_020, 0), (1, 0));
    desk.answer(1_020, &late, &[Stated::new().remaining(0)], true, 1);
    assert_eq!(desk.taken(1_020, 0), (0, 6), "one of ours, five of others");
}

#[test]
fn a_second_statement_does_not_count_the_same_others_twice() {
    let mut desk = Desk::new([TEN]);
    ask(&mut desk, 0, Stated::new().remaining(4));
    ask(&mut desk, 1, Stated::new().remaining(3));
    assert_eq!(desk.taken(1, 0), (0, 7));
}

#[test]
fn a_stated_limit_is_adopted_up_to_the_ceiling_and_not_at_all_without_one() {
    for (quota, stated, limit) in [
        (TEN, 20, 10),
        (TEN.adopt_up_to(15), 20, 15),
        (TEN.adopt_up_to(15), 12, 12),
        (TEN.adopt_up_to(15), 3, 3),
        (TEN.adopt_up_to(15), 0, 10),
        (TEN.adopt_up_to(15), u64::MAX, 15),
    ] {
        let mut desk = Desk::new([quota]);
        ask(&mut desk, 0, Stated::new().limit(stated));
        assert_eq!(limits(&desk), [limit], "{stated}");
    }
}

#[test]
fn of_two_answers_the_one_to_the_request_that_was_admitted_last_says_the_limit() {
    let mut desk = Desk::new([TEN.adopt_up_to(100)]);
    let requests: Vec<Claims> = (0..3).map(|_| desk.admit(0, Rest, &[(0, 1)])).collect();
    let answer = |desk: &mut Desk, number: usize, stated| {
        let admission = number as u64 + 1;
        desk.answer(5, &requests[number], &[stated], true, admission);
    };
    answer(&mut desk, 1, Stated::new().limit(50));
    assert_eq!(limits(&desk), [50]);
    answer(&mut desk, 0, Stated::new().limit(20));
    assert_eq!(limits(&desk), [50], "it is older");
    answer(&mut desk, 2, Stated::new().limit(30));
    assert_eq!(limits(&desk), [30]);
}

#[test]
fn a_lowered_limit_tells_those_who_ask_for_more() {
    let mut desk = Desk::new([TEN.adopt_up_to(10)]);
    let first = desk.admit(0, Rest, &[(0, 1)]);
    let waits = desk.join(0, Rest, &[(0, 10)]);
    desk.answer(5, &first, &[Stated::new().limit(4)], true, 1);
    assert!(waits.called.take());
    assert_eq!(desk.look(5, &waits), Seen::Never(4));
    assert_eq!(desk.try_admit(5, Rest, &[(0, 5)]), Err(Denied::Never(4)));
}

#[test]
fn a_statement_speaks_of_the_window_of_its_length_else_of_its_limit() {
    let quotas = || {
        let long = Quota::rolling(100, 60 * SECOND).adopt_up_to(500);
        TEN.adopt_up_to(500).and(long)
    };
    for (stated, expected, closing) in [
        (Stated::new().limit(7).window(SECOND), [7, 100], [1, 1]),
        (Stated::new().limit(7).window(60 * SECOND), [10, 7], [1, 1]),
        (Stated::new().limit(7).window(2 * SECOND), [10, 100], [1, 1]),
        (Stated::new().limit(7), [10, 100], [1, 1]),
        (Stated::new().limit(100).remaining(40), [10, 100], [1, 60]),
        (Stated::new().limit(10).remaining(3), [10, 100], [7, 1]),
        (Stated::new().remaining(0), [10, 100], [1, 1]),
    ] {
        let mut desk = Desk::new([quotas()]);
        ask(&mut desk, 0, stated);
        assert_eq!(limits(&desk), expected, "{stated:?}");
        let limiter = &desk.book.limiters[desk.windows[0].index];
        let found: Vec<u32> = limiter
            .tiers
            .windows()
            .map(|window| window.closing())
            .collect();
        assert_eq!(found, closing, "{stated:?}");
    }
}

#[test]
fn a_statement_of_another_length_says_nothing_of_the_only_window() {
    let mut desk = Desk::new([TEN]);
    ask(&mut desk, 0, Stated::new().remaining(0).window(60 * SECOND));
    assert_eq!(desk.taken(0, 0), (0, 1));
    assert!(desk.admit_or_turn(0, 9).is_ok());
    assert_eq!(desk.admit_or_turn(0, 1), Err(at(1_010)));
}

#[test]
fn each_of_several_windows_begins_as_its_own_quota_says() {
    let long = Quota::rolling(100, 60 * SECOND);
    for (quotas, closing) in [
        (TEN.and(long.start(Start::Full)), [0, 100]),
        (
            TEN.start(Start::Full).and(long.start(Start::Seeded)),
            [10, 0],
        ),
        (
            TEN.start(Start::Seeded).and(long.start(Start::Full)),
            [0, 100],
        ),
    ] {
        let desk = Desk::new([quotas.clone()]);
        let limiter = &desk.book.limiters[desk.windows[0].index];
        let windows = limiter.tiers.windows();
        let found: Vec<u32> = windows.map(|window| window.closing()).collect();
        assert_eq!(found, closing, "{quotas:?}");
    }
}
