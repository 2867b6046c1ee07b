//! A window that begins with what the first response says.

use std::time::Duration;

use super::desk::{Desk, FOREVER, Seen, at};
use crate::lane::Lane::Rest;
use crate::moment::Moment;
use crate::quota::{Quota, SECOND, Start};
use crate::server::Stated;
use crate::shape::rolling::Ending;

/// Ten a second, held for 1010 ms; 1510 ms after abandonment.
const QUOTA: Quota = Quota::rolling(10, SECOND)
    .grace(Duration::from_millis(500))
    .start(Start::Seeded);

#[test]
fn requests_go_one_at_a_time_until_a_response_says_what_remains() {
    let mut desk = Desk::new([QUOTA]);
    let probe = desk.admit(0, Rest, &[(0, 1)]);
    let waiting = [(); 5].map(|()| desk.join(0, Rest, &[(0, 1)]));
    assert!(desk.try_admit(0, Rest, &[(0, 1)]).is_err());
    desk.answer(80, &probe, &[Stated::new().remaining(3)], true, 1);
    let called: Vec<bool> = waiting.iter().map(|one| one.called.take()).collect();
    assert_eq!(called, [true, true, true, false, false]);
    for (number, one) in waiting.iter().enumerate() {
        assert_eq!(desk.look(80, one) == Seen::Admitted, number < 3, "{number}");
    }
    assert_eq!(desk.taken(80, 0), (3, 7));
    assert_eq!(
        desk.taken(1_090, 0),
        (3, 0),
        "what others took frees with the window"
    );
}

#[test]
fn a_success_that_says_nothing_counts_as_a_full_window_and_nobody_is_forgotten() {
    let mut desk = Desk::new([QUOTA]);
    let probe = desk.admit(0, Rest, &[(0, 1)]);
    let waits = desk.join(0, Rest, &[(0, 1)]);
    desk.answer(80, &probe, &[], true, 1);
    assert_eq!(desk.taken(80, 0), (0, 10));
    assert!(desk.driver_is_called(), "it knew no time to look at");
    // The probe's own place is free a second after its answer, the others with the grace.
    assert_eq!(desk.look(80, &waits), Seen::Until(at(1_090)));
    assert_eq!(desk.taken(1_090, 0), (0, 9));
    assert_eq!(desk.taken(1_590, 0), (0, 0));
}

#[test]
fn a_failure_keeps_them_going_one_at_a_time() {
    let mut desk = Desk::new([QUOTA]);
    let mut probe = desk.admit(0, Rest, &[(0, 1)]);
    for (round, ending) in [Ending::Abandoned, Ending::NeverLeft, Ending::Answered]
        .into_iter()
        .enumerate()
    {
        let [next, after] = [(); 2].map(|()| desk.join(0, Rest, &[(0, 1)]));
        match ending {
            // Headers came, of an error.
            Ending::Answered => desk.answer(0, &probe, &[], false, round as u64),
            other => desk.end(0, Rest, &probe, other),
        }
        assert_eq!(desk.look(0, &next), Seen::Admitted, "{ending:?}");
        assert!(matches!(desk.look(0, &after), Seen::Until(_)), "{ending:?}");
        desk.leave(0, &after);
        probe = desk.claims(&[(0, 1)]);
    }
}

#[test]
fn a_probe_that_has_departed_is_one_still_where_places_free_before_late_headers() {
    let quota = QUOTA.counted_within(Duration::from_millis(100));
    let mut desk = Desk::new([quota]);
    let probe = desk.admit(0, Rest, &[(0, 1)]);
    desk.act(|book, _| book.depart(at(0), &probe, Rest));
    assert!(desk.try_admit(0, Rest, &[(0, 1)]).is_err());
    assert!(
        desk.try_join(2_000, Rest, &[(0, 1)], FOREVER)
            .is_ok_and(|waiting| waiting.is_some()),
        "even when its place is free again"
    );
}

#[test]
fn when_a_probe_is_abandoned_the_next_one_is_looked_after_though_no_place_is_free_yet() {
    let quota = Quota::rolling(1, SECOND).grace(Duration::from_millis(500));
    let mut desk = Desk::new([quota.start(Start::Seeded)]);
    let probe = desk.admit(0, Rest, &[(0, 1)]);
    let waits = desk.join(0, Rest, &[(0, 1)]);
    assert_eq!(desk.drive(0), Some(Moment::NEVER), "others have to answer");
    desk.end(80, Rest, &probe, Ending::Abandoned);
    assert!(desk.driver_is_called());
    assert_eq!(desk.drive(80), Some(at(1_590)));
    desk.drive(1_590);
    assert!(waits.called.take());
}
