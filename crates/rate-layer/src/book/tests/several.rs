//! Requests that take places in several windows.

use super::desk::{Desk, Seen, at};
use crate::book::waiter::Claim;
use crate::lane::Lane::{First, Rest};
use crate::quota::{Quota, SECOND};
use crate::shape::rolling::Ending;

const ONE: Quota = Quota::rolling(1, SECOND);

#[test]
fn what_is_set_aside_for_one_that_goes_first_is_not_charged_to_the_rest() {
    let mut desk = Desk::new([Quota::rolling(10, SECOND).reserve(8), ONE]);
    let id = desk.windows[1];
    // The rest hold one place throughout, so none of them goes before all.
    desk.admit(0, Rest, &[(0, 1)]);
    let taken = desk.admit(0, Rest, &[(0, 1)]);
    let other = desk.admit(0, First, &[(0, 8)]);
    desk.act(|book, wakes| book.throttled(at(0), id, Some(at(2_000)), wakes));
    let aged = desk.join(0, First, &[(0, 5), (1, 1)]);
    // Comes to the front of the second window while the first is full, and of the first while the second is silent.
    assert!(matches!(desk.look(2_000, &aged), Seen::Until(_)));
    desk.act(|book, wakes| book.throttled(at(2_001), id, Some(at(3_000)), wakes));
    desk.end(2_002, First, &other, Ending::NeverLeft);
    assert!(matches!(desk.look(2_002, &aged), Seen::Until(_)));
    let waits = desk.join(2_002, Rest, &[(0, 1)]);
    desk.end(2_003, Rest, &taken, Ending::NeverLeft);
    assert!(waits.called.take(), "of nine places five are set aside");
    assert_eq!(desk.look(2_003, &waits), Seen::Admitted);
    assert!(desk.try_admit(2_004, First, &[(0, 5)]).is_err());
    assert_eq!(desk.look(3_000, &aged), Seen::Admitted);
}

#[test]
fn when_one_that_stood_in_two_lines_is_served_both_of_them_know_who_is_first() {
    let mut desk = Desk::new([Quota::rolling(2, SECOND), ONE]);
    // The first window: one place free at 1010 ms, one at 1400 ms. The second: free at 1200 ms.
    for (window, answered) in [(0, 0), (1, 190), (0, 390)] {
        let held = desk.admit(answered, Rest, &[(window, 1)]);
        desk.end(answered, Rest, &held, Ending::Answered);
    }
    let both = desk.join(400, Rest, &[(0, 1), (1, 1)]);
    let single = desk.join(400, Rest, &[(0, 1)]);
    // Passed over in the first window, which the other one has instead.
    assert_eq!(desk.look(1_010, &both), Seen::Until(at(1_200)));
    assert_eq!(desk.look(1_010, &single), Seen::Admitted);
    let next = desk.join(1_010, Rest, &[(0, 1)]);
    let first_window = desk.windows[0].index;
    assert_eq!(desk.book.next_event(at(1_010), first_window), at(1_400));
    // At the front of the second, and kept waiting by the first: it has aged.
    assert_eq!(desk.look(1_200, &both), Seen::Until(at(1_400)));
    assert_eq!(desk.look(1_400, &both), Seen::Admitted);
    assert!(matches!(desk.look(1_400, &next), Seen::Until(_)));
}

#[test]
fn places_given_back_in_one_window_by_a_lapse_in_another_are_passed_on() {
    let mut desk = Desk::new([ONE, ONE]);
    let held = [0, 1].map(|window| desk.admit(0, Rest, &[(window, 1)]));
    let sleeper = desk.join(0, Rest, &[(0, 1), (1, 1)]);
    for place in &held {
        desk.end(0, Rest, place, Ending::NeverLeft);
    }
    assert!(sleeper.called.take(), "offered both");
    let waiting = [0, 1].map(|window| desk.join(1, Rest, &[(window, 1)]));
    // Whoever looks at one of them passes both on.
    assert_eq!(desk.look(50, &waiting[0]), Seen::Admitted);
    assert!(waiting[1].called.take());
    assert_eq!(desk.look(50, &waiting[1]), Seen::Admitted);
    assert!(matches!(desk.look(50, &sleeper), Seen::Until(_)));
}

#[test]
fn one_that_leaves_before_during_or_after_its_offer_leaves_no_trace() {
    for stage in 0..3 {
        let mut desk = Desk::new([ONE, ONE]);
        let held = [0, 1].map(|window| desk.admit(0, Rest, &[(window, 1)]));
        let leaves = desk.join(0, Rest, &[(0, 1), (1, 1)]);
        if stage > 0 {
            for place in &held {
                desk.end(0, Rest, place, Ending::NeverLeft);
            }
        }
        if stage > 1 {
            // Looks at the window for whom nobody waits.
            assert!(desk.try_admit(60, Rest, &[(0, 1)]).is_ok());
        }
        desk.leave(60, &leaves);
        for window in [0, 1] {
            let reading = desk.reading(60, window);
            assert_eq!(reading.waiting, 0, "{stage}");
            let expected = u32::from(stage == 0 || stage == 2 && window == 0);
            assert_eq!(reading.in_flight, expected, "{stage} {window}");
        }
    }
}

#[test]
fn an_unknown_window_is_no_ground_for_a_place_in_another() {
    let mut desk = Desk::new([ONE]);
    let gone = Claim::new(crate::book::limiters::Id::NONE, 1);
    let mut claims = desk.claims(&[(0, 1)]);
    claims.add(gone);
    assert!(!desk.book.admit_unseen(&mut claims, Rest));
    assert_eq!(desk.taken(0, 0), (0, 0));
}

#[test]
fn one_that_would_go_before_those_who_go_first_does_not_change_lines_for_ever() {
    let mut desk = Desk::new([Quota::rolling(3, SECOND), Quota::rolling(3, SECOND)]);
    // One place of each is left, too few for those who go first. The rest hold nothing.
    for window in [0, 1] {
        let place = desk.admit(0, First, &[(window, 2)]);
        desk.end(0, First, &place, Ending::Answered);
        desk.join(1, First, &[(window, 2)]);
    }
    // Of several windows none can say that it goes before all: its ticket does, among those who go first.
    let waits = desk.join(2, Rest, &[(0, 1), (1, 1)]);
    assert!(matches!(desk.look(2, &waits), Seen::Until(_)));
}

#[test]
fn one_that_wants_a_third_window_which_is_always_free_ages_all_the_same() {
    let mut desk = Desk::new([ONE, ONE, Quota::rolling(9, SECOND)]);
    let mut held = desk.admit(0, Rest, &[(0, 1)]);
    let waits = desk.join(0, Rest, &[(0, 1), (1, 1), (2, 1)]);
    let mut window = 1;
    // The other window is taken whenever the one frees that keeps it waiting.
    for round in 1..4 {
        let Ok(next) = desk.try_admit(round, Rest, &[(window, 1)]) else {
            assert!(round > 2, "it is passed over once in each");
            desk.end(round, Rest, &held, Ending::NeverLeft);
            assert_eq!(desk.look(round, &waits), Seen::Admitted);
            return;
        };
        desk.end(round, Rest, &held, Ending::NeverLeft);
        assert!(matches!(desk.look(round, &waits), Seen::Until(_)));
        (held, window) = (next, 1 - window);
    }
    panic!("it is passed over for ever");
}

#[test]
fn what_was_set_aside_for_one_that_is_told_it_asks_too_much_goes_to_the_next() {
    let mut desk = Desk::new([ONE, Quota::rolling(2, SECOND)]);
    let id = desk.windows[1];
    let first = desk.admit(0, Rest, &[(0, 1)]);
    let second = desk.admit(0, Rest, &[(1, 2)]);
    let asks = desk.join(0, Rest, &[(0, 1), (1, 2)]);
    // Passed over in the second window, and in the first while that is silent: it has aged.
    desk.end(1, Rest, &second, Ending::NeverLeft);
    assert!(matches!(desk.look(1, &asks), Seen::Until(_)));
    desk.act(|book, wakes| book.throttled(at(2), id, Some(at(500)), wakes));
    desk.end(3, Rest, &first, Ending::NeverLeft);
    assert!(matches!(desk.look(3, &asks), Seen::Until(_)));
    desk.act(|book, wakes| book.throttled(at(500), id, Some(at(900)), wakes));
    let next = desk.join(500, Rest, &[(0, 1)]);
    desk.act(|book, wakes| book.set_limit(at(900), id, None, 1, wakes));
    assert_eq!(desk.look(900, &asks), Seen::Never(1));
    assert!(next.called.take());
    assert_eq!(desk.look(900, &next), Seen::Admitted);
}
