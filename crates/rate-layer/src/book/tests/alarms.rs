//! Whoever waits is called when it could be served sooner than it thought.

use super::desk::{Desk, at};
use crate::book::outcome::Look;
use crate::lane::Lane::Rest;
use crate::quota::{Quota, SECOND};
use crate::server::Stated;
use crate::shape::rolling::Ending;

const TWO: Quota = Quota::rolling(2, SECOND);

#[test]
fn a_place_given_back_that_is_not_enough_moves_the_turn_forward() {
    let mut desk = Desk::new([TWO]);
    let first = desk.admit(0, Rest, &[(0, 1)]);
    let second = desk.admit(0, Rest, &[(0, 1)]);
    desk.end(0, Rest, &first, Ending::Answered);
    let both = desk.join(1_000, Rest, &[(0, 2)]);
    assert_eq!(both.alarm, at(2_010), "one is in flight");
    desk.end(1_005, Rest, &second, Ending::NeverLeft);
    assert!(both.called.take(), "both are free at 1010");
    assert_eq!(desk.look(1_005, &both), Look::Until(at(1_010)));
    assert_eq!(desk.look(1_010, &both), Look::Admitted);
}

#[test]
fn so_does_a_cost_that_turns_out_lower() {
    let mut desk = Desk::new([Quota::rolling(4, SECOND)]);
    let early = desk.admit(0, Rest, &[(0, 2)]);
    desk.end(0, Rest, &early, Ending::Answered);
    let late = desk.admit(500, Rest, &[(0, 2)]);
    desk.end(500, Rest, &late, Ending::Answered);
    let waits = desk.join(600, Rest, &[(0, 3)]);
    assert_eq!(waits.alarm, at(1_510));
    desk.correct(700, late[0], 1, 500);
    assert!(waits.called.take());
    assert_eq!(desk.look(700, &waits), Look::Until(at(1_010)));
}

#[test]
fn so_does_a_limit_that_the_server_raises() {
    let mut desk = Desk::new([Quota::rolling(4, SECOND).adopt_up_to(9)]);
    let early = desk.admit(0, Rest, &[(0, 2)]);
    desk.end(0, Rest, &early, Ending::Answered);
    let late = desk.admit(500, Rest, &[(0, 2)]);
    let waits = desk.join(600, Rest, &[(0, 4)]);
    assert_eq!(waits.alarm, at(1_610));
    desk.answer(600, &late, &[Stated::new().limit(6)], true, 2);
    assert!(waits.called.take());
    assert_eq!(desk.look(600, &waits), Look::Until(at(1_010)));
}

#[test]
fn after_a_pause_everybody_looks_by_itself() {
    let mut desk = Desk::new([Quota::rolling(1, SECOND)]);
    let id = desk.windows[0];
    desk.admit(0, Rest, &[(0, 1)]);
    desk.act(|book, wakes| book.pause(at(0), id, wakes));
    let waiting: Vec<_> = (0..20).map(|_| desk.join(0, Rest, &[(0, 1)])).collect();
    desk.act(|book, wakes| book.resume(at(1), id, wakes));
    // All lookouts sleep; the others must not.
    for one in &waiting {
        assert!(one.called.take());
        let look = desk.look(1, one);
        assert!(!matches!(look, Look::Until(crate::moment::Moment::NEVER)));
    }
}

#[test]
fn one_that_leaves_several_lines_hands_each_of_them_on() {
    let mut desk = Desk::new([Quota::rolling(1, SECOND), Quota::rolling(1, SECOND)]);
    // The first window is free at 1010 ms, the second at 1500 ms.
    for (window, answered) in [(0, 0), (1, 490)] {
        let held = desk.admit(answered, Rest, &[(window, 1)]);
        desk.end(answered, Rest, &held, Ending::Answered);
    }
    let several = desk.join(500, Rest, &[(0, 1), (1, 1)]);
    let single = desk.join(500, Rest, &[(1, 1)]);
    // Comes to the front of the first, and changes over into the second, before the one that stands there.
    assert_eq!(desk.look(1_010, &several), Look::Until(at(1_500)));
    desk.leave(1_020, &several);
    assert!(single.alarm <= at(1_500) || single.called.take());
    assert_eq!(desk.look(1_500, &single), Look::Admitted);
}

#[test]
fn one_that_finds_room_behind_a_large_one_does_not_look_again_and_again() {
    let mut desk = Desk::new([Quota::rolling(3, SECOND)]);
    let held = desk.admit(0, Rest, &[(0, 1)]);
    desk.end(0, Rest, &held, Ending::Answered);
    let large = desk.join(10, Rest, &[(0, 3)]);
    let behind = [(); 3].map(|()| desk.join(10, Rest, &[(0, 1)]));
    assert_eq!(large.alarm, at(1_010));
    for one in &behind {
        assert!(one.alarm >= at(1_010), "{:?}", one.alarm);
    }
}
