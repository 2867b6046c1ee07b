//! Who goes first, and how far.

use super::desk::{Desk, FOREVER, Seen, at};
use crate::book::outcome::Patience;
use crate::lane::Lane::{First, Rest};
use crate::quota::{Quota, SECOND};
use crate::server::Stated;
use crate::shape::rolling::Ending;

const TWO: Quota = Quota::rolling(2, SECOND);

#[test]
fn the_first_of_the_rest_goes_before_all_when_the_rest_hold_nothing_and_then_only_one() {
    let mut desk = Desk::new([TWO]);
    let held = [0, 100].map(|now| {
        let place = desk.admit(now, First, &[(0, 1)]);
        desk.end(now, First, &place, Ending::Answered);
        place
    });
    assert_eq!(held.len(), 2);
    let first = [(); 3].map(|()| desk.join(200, First, &[(0, 1)]));
    let rest = [(); 2].map(|()| desk.join(200, Rest, &[(0, 1)]));
    assert!(matches!(desk.look(1_010, &first[0]), Seen::Until(_)));
    assert_eq!(desk.look(1_010, &rest[0]), Seen::Admitted);
    // Now the rest hold one: the next goes to who goes first.
    assert!(matches!(desk.look(1_110, &rest[1]), Seen::Until(_)));
    assert_eq!(desk.look(1_110, &first[0]), Seen::Admitted);
}

#[test]
fn nobody_overtakes_who_waits_where_there_is_nobody_to_go_first() {
    let mut desk = Desk::new([TWO]);
    desk.admit(0, Rest, &[(0, 2)]);
    let waits = [(); 2].map(|()| desk.join(0, Rest, &[(0, 1)]));
    let id = desk.windows[0];
    desk.act(|book, wakes| book.set_limit(at(0), id, None, 3, wakes));
    assert_eq!(desk.look(0, &waits[0]), Seen::Admitted);
    assert!(matches!(desk.look(0, &waits[1]), Seen::Until(_)));
}

#[test]
fn of_several_limits_the_rest_must_hold_nothing_in_all_to_go_before_all() {
    // The rest hold nothing in the shorter window most of the time: that gives them no claim on the longer one.
    let quotas = Quota::rolling(1, SECOND).and(Quota::rolling(3, 10 * SECOND));
    let mut desk = Desk::new([quotas]);
    for (now, lane) in [(0, Rest), (2_000, First), (4_000, First)] {
        let place = desk.admit(now, lane, &[(0, 1)]);
        desk.end(now, lane, &place, Ending::Answered);
    }
    let (rest, first) = (
        desk.join(5_000, Rest, &[(0, 1)]),
        desk.join(5_000, First, &[(0, 1)]),
    );
    // Its place in the longer window frees: now the rest hold nothing anywhere.
    let look = desk.look(10_010, &rest);
    assert_eq!(look, Seen::Admitted);
    let again = desk.join(10_010, Rest, &[(0, 1)]);
    let place = desk.claims(&[(0, 1)]);
    desk.end(10_010, Rest, &place, Ending::Answered);
    // In the shorter one the rest hold nothing any more, in the longer one they do.
    assert!(matches!(desk.look(12_010, &again), Seen::Until(_)));
    assert_eq!(desk.look(12_010, &first), Seen::Admitted);
}

#[test]
fn a_newcomer_of_the_rest_that_would_be_next_is_not_refused_for_those_who_go_first() {
    let mut desk = Desk::new([TWO]);
    for now in [0, 100] {
        let place = desk.admit(now, First, &[(0, 1)]);
        desk.end(now, First, &place, Ending::Answered);
    }
    for _ in 0..20 {
        desk.join(200, First, &[(0, 1)]);
    }
    let patience = |until| Patience {
        until: at(until),
        ..FOREVER
    };
    // The rest hold nothing: the next place is its own.
    let next = desk.try_join(200, Rest, &[(0, 1)], patience(1_010));
    let next = next.expect("it would be next").expect("it waits");
    // The one after it has the next that frees once that one's has.
    assert!(
        desk.try_join(200, Rest, &[(0, 1)], patience(2_019))
            .is_err()
    );
    assert!(desk.try_join(200, Rest, &[(0, 1)], patience(2_020)).is_ok());
    assert_eq!(desk.look(1_010, &next), Seen::Admitted);
}

#[test]
fn a_reserve_keeps_its_places_and_shrinks_and_grows_with_the_limit() {
    let mut desk = Desk::new([Quota::rolling(10, SECOND).reserve(4)]);
    let id = desk.windows[0];
    let rest = |desk: &mut Desk| {
        let admitted = (0..20).take_while(|_| desk.try_admit(0, Rest, &[(0, 1)]).is_ok());
        admitted.count()
    };
    let set_limit = |desk: &mut Desk, limit| {
        desk.act(|book, wakes| book.set_limit(at(0), id, None, limit, wakes));
    };
    assert_eq!(rest(&mut desk), 6);
    set_limit(&mut desk, 8);
    assert_eq!(rest(&mut desk), 0, "six of four");
    set_limit(&mut desk, 12);
    assert_eq!(rest(&mut desk), 2);
    desk.admit(0, First, &[(0, 4)]);
    assert!(desk.try_admit(0, First, &[(0, 1)]).is_err());
    // Less than the reserve: one place is left for the rest.
    let mut desk = Desk::new([Quota::rolling(10, SECOND).reserve(4)]);
    set_limit(&mut desk, 3);
    assert_eq!(rest(&mut desk), 1);
    desk.admit(0, First, &[(0, 2)]);
    assert!(desk.try_admit(0, First, &[(0, 1)]).is_err());
}

#[test]
fn who_goes_first_overtakes_the_rest_but_for_one_of_them() {
    let mut desk = Desk::new([TWO]);
    let held = desk.admit(0, Rest, &[(0, 1)]);
    let other = desk.admit(0, Rest, &[(0, 1)]);
    let rest = [(); 3].map(|()| desk.join(0, Rest, &[(0, 1)]));
    let first = desk.join(0, First, &[(0, 1)]);
    desk.end(1, Rest, &held, Ending::NeverLeft);
    assert!(first.called.take(), "the rest hold one place still");
    assert_eq!(desk.look(1, &first), Seen::Admitted);
    desk.end(2, Rest, &other, Ending::NeverLeft);
    assert_eq!(desk.look(2, &rest[0]), Seen::Admitted);
}

#[test]
fn places_that_others_have_taken_are_not_the_rests() {
    let mut desk = Desk::new([Quota::rolling(3, SECOND)]);
    let early = desk.admit(0, First, &[(0, 1)]);
    desk.end(0, First, &early, Ending::Answered);
    // Somebody else uses the key, and has taken the third place.
    let late = desk.admit(500, First, &[(0, 1)]);
    let nothing = [Stated::new().remaining(0)];
    desk.answer_in(500, First, &late, &nothing, true, 2);
    assert_eq!(desk.taken(500, 0), (0, 3));
    let (goes_first, rest) = (
        desk.join(600, First, &[(0, 1)]),
        desk.join(600, Rest, &[(0, 1)]),
    );
    assert_eq!(rest.event, at(1_010));
    assert!(matches!(desk.look(1_010, &goes_first), Seen::Until(_)));
    assert_eq!(desk.look(1_010, &rest), Seen::Admitted);
}

#[test]
fn others_take_from_the_rest_and_not_from_the_reserve() {
    let mut desk = Desk::new([Quota::rolling(10, SECOND).reserve(4)]);
    let told = desk.admit(0, First, &[(0, 1)]);
    let five = [Stated::new().remaining(4)];
    desk.answer_in(0, First, &told, &five, true, 1);
    assert_eq!(desk.taken(0, 0), (0, 6), "five of others");
    desk.admit(0, Rest, &[(0, 1)]);
    assert!(desk.try_admit(0, Rest, &[(0, 1)]).is_err());
    desk.admit(0, First, &[(0, 3)]);
}
