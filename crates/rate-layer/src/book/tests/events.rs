//! The driver is called when somebody could be served sooner than it thought.

use super::desk::{Desk, FOREVER, Seen, at};
use super::world::{Change, Plan, World};
use crate::book::outcome::Patience;
use crate::lane::Lane::{First, Rest};
use crate::moment::Moment;
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
    assert_eq!(both.event, at(2_010), "one is in flight");
    desk.end(1_005, Rest, &second, Ending::NeverLeft);
    assert!(desk.driver_is_called(), "both are free at 1010");
    assert_eq!(desk.drive(1_005), Some(at(1_010)));
    assert_eq!(desk.look(1_005, &both), Seen::Until(at(1_010)));
    assert_eq!(desk.look(1_010, &both), Seen::Admitted);
}

#[test]
fn so_does_a_cost_that_turns_out_lower() {
    let mut desk = Desk::new([Quota::rolling(4, SECOND)]);
    let early = desk.admit(0, Rest, &[(0, 2)]);
    desk.end(0, Rest, &early, Ending::Answered);
    let late = desk.admit(500, Rest, &[(0, 2)]);
    desk.end(500, Rest, &late, Ending::Answered);
    let waits = desk.join(600, Rest, &[(0, 3)]);
    assert_eq!(waits.event, at(1_510));
    desk.correct(700, late[0], 1, 500);
    assert!(desk.driver_is_called());
    assert_eq!(desk.look(700, &waits), Seen::Until(at(1_010)));
}

#[test]
fn so_does_a_limit_that_the_server_raises() {
    let mut desk = Desk::new([Quota::rolling(4, SECOND).adopt_up_to(9)]);
    let early = desk.admit(0, Rest, &[(0, 2)]);
    desk.end(0, Rest, &early, Ending::Answered);
    let late = desk.admit(500, Rest, &[(0, 2)]);
    let waits = desk.join(600, Rest, &[(0, 4)]);
    assert_eq!(waits.event, at(1_610));
    desk.answer(600, &late, &[Stated::new().limit(6)], true, 2);
    assert!(desk.driver_is_called());
    assert_eq!(desk.look(600, &waits), Seen::Until(at(1_010)));
}

#[test]
fn so_does_the_end_of_a_pause() {
    let mut desk = Desk::new([Quota::rolling(1, SECOND)]);
    let id = desk.windows[0];
    let held = desk.admit(0, Rest, &[(0, 1)]);
    desk.end(0, Rest, &held, Ending::Answered);
    desk.act(|book, wakes| book.pause(at(0), id, wakes));
    let waiting: Vec<_> = (0..20).map(|_| desk.join(0, Rest, &[(0, 1)])).collect();
    assert_eq!(desk.drive(0), Some(Moment::NEVER), "nobody knows its end");
    desk.act(|book, wakes| book.resume(at(1), id, wakes));
    assert!(desk.driver_is_called());
    assert_eq!(desk.drive(1), Some(at(1_010)));
    assert!(waiting.iter().all(|one| !one.called.take()));
}

#[test]
fn nothing_calls_it_that_changes_nothing() {
    let mut desk = Desk::new([Quota::rolling(2, SECOND), Quota::rolling(1, SECOND)]);
    let held = [0, 500].map(|now| {
        let place = desk.admit(now, Rest, &[(0, 1)]);
        desk.end(now, Rest, &place, Ending::Answered);
    });
    desk.admit(500, Rest, &[(1, 1)]);
    let first = desk.join(500, Rest, &[(0, 1)]);
    // Others who come behind it, look, leave, and a window whose places free later.
    let others = [(); 9].map(|()| desk.join(500, Rest, &[(0, 1)]));
    desk.join(500, Rest, &[(1, 1)]);
    desk.look(501, &others[3]);
    desk.leave(502, &others[5]);
    desk.look(503, &first);
    assert!(!desk.driver_is_called(), "{held:?}");
    assert_eq!(desk.drive(504), Some(at(1_010)));
}

#[test]
fn the_last_one_to_leave_calls_it_to_end() {
    let mut desk = Desk::new([Quota::rolling(1, SECOND)]);
    desk.admit(0, Rest, &[(0, 1)]);
    let waiting = [(); 2].map(|()| desk.join(0, Rest, &[(0, 1)]));
    desk.leave(5, &waiting[0]);
    assert!(!desk.driver_is_called());
    desk.leave(5, &waiting[1]);
    assert!(desk.driver_is_called());
    assert_eq!(desk.drive(5), None);
    // Before it has ended, it would have gone on for another one.
    let again = desk.join(6, Rest, &[(0, 1)]);
    desk.leave(7, &again);
    desk.join(7, Rest, &[(0, 1)]);
    assert!(desk.drive(7).is_some());
}

#[test]
fn patience_ends_whatever_the_clock_of_the_one_who_looks_says() {
    let mut desk = Desk::new([Quota::rolling(1, SECOND)]);
    desk.admit(0, Rest, &[(0, 1)]);
    let patience = Patience {
        until: at(1_200),
        ..FOREVER
    };
    let waits = desk.try_join(0, Rest, &[(0, 1)], patience);
    let waits = waits.expect("it may wait").expect("it must wait");
    assert_eq!(desk.drive(1_199), Some(at(1_200)));
    assert_eq!(desk.look(1_199, &waits), Seen::Until(at(2_209)));
    assert!(!waits.called.take());
    desk.drive(1_200);
    assert!(waits.called.take());
    assert_eq!(desk.look(1_199, &waits), Seen::OutOfPatience);
    assert_eq!(desk.reading(1_200, 0).waiting, 1, "until it leaves");
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
    assert_eq!(desk.look(1_010, &several), Seen::Until(at(1_500)));
    desk.leave(1_020, &several);
    assert_eq!(desk.drive(1_020), Some(at(1_500)));
    assert!(!single.called.take());
    assert_eq!(desk.look(1_500, &single), Seen::Admitted);
}

#[test]
fn one_that_finds_room_behind_a_large_one_does_not_look_again_and_again() {
    let mut desk = Desk::new([Quota::rolling(3, SECOND)]);
    let held = desk.admit(0, Rest, &[(0, 1)]);
    desk.end(0, Rest, &held, Ending::Answered);
    let large = desk.join(10, Rest, &[(0, 3)]);
    let behind = [(); 3].map(|()| desk.join(10, Rest, &[(0, 1)]));
    assert_eq!(large.event, at(1_010));
    for one in &behind {
        assert!(one.event >= at(1_010), "{:?}", one.event);
    }
}

#[test]
fn what_a_newcomer_takes_from_one_that_is_kept_waiting_elsewhere_is_looked_after_again() {
    let grace = std::time::Duration::from_millis(500);
    let windows = [1, 2, 3].map(|limit| Quota::rolling(limit, SECOND).grace(grace));
    let plan = |arrives, wants: &[(usize, u32)], lane, latency| Plan {
        wants: wants.to_vec(),
        lane,
        latency,
        ..Plan::at(arrives)
    };
    let plans = vec![
        Plan {
            costs: vec![Some(0)],
            ..plan(0, &[(2, 3)], Rest, 900)
        },
        plan(20, &[(2, 2), (1, 1)], Rest, 900),
        Plan {
            ending: Ending::NeverLeft,
            ..plan(54, &[(2, 2)], First, 0)
        },
        // Ages, and has room in the first window until the last one comes, of the rest.
        plan(250, &[(1, 1), (2, 2), (0, 1)], First, 0),
        plan(1_618, &[(0, 1)], Rest, 1),
    ];
    let world = World::new(windows, plans).changing(vec![(1, 1, Change::Throttled(900))]);
    world.run().assert_all_served();
}
