//! Windows of keys: as many as may be, and none forgotten that counts.

use std::time::Duration;

use proptest::prelude::*;

use super::desk::{Desk, at};
use crate::book::claims::Claims;
use crate::book::keys::Keys;
use crate::book::limiters::Id;
use crate::book::outcome::Denied;
use crate::book::waiter::Claim;
use crate::lane::Lane::Rest;
use crate::quota::{Quota, SECOND, Start};
use crate::shape::rolling::Ending;

/// Two a second, held for 1010 ms; 1510 ms after abandonment.
const TWO: Quota = Quota::rolling(2, SECOND).grace(Duration::from_millis(500));

/// Windows for `most` keys, kept for ten seconds.
fn keyed(quota: Quota, most: usize) -> (Desk, u32) {
    let mut desk = Desk::new([quota; 0]);
    let keys = Keys::new(most, 10 * SECOND);
    let group = desk.book.open_keyed(&quota.into(), keys);
    (desk, group)
}

fn window_of(desk: &mut Desk, now: u64, group: u32, key: &[u8]) -> Result<Id, Denied> {
    desk.book.window_of(at(now), group, key, &[])
}

fn admit(desk: &mut Desk, now: u64, group: u32, key: &[u8]) -> Result<Claims, Denied> {
    let id = window_of(desk, now, group, key)?;
    let mut claims = Claims::one(Claim::new(id, 1));
    desk.act(|book, wakes| book.admit(at(now), &mut claims, Rest, wakes))?;
    Ok(claims)
}

#[test]
fn a_key_is_refused_where_all_others_count_and_takes_the_room_of_one_that_does_not() {
    let (mut desk, group) = keyed(TWO, 2);
    let first = admit(&mut desk, 0, group, b"first").expect("room");
    let second = admit(&mut desk, 0, group, b"second").expect("room");
    let third = admit(&mut desk, 0, group, b"third");
    assert_eq!(third, Err(Denied::TooManyKeys(2)));
    desk.end(20, Rest, &first, Ending::Answered);
    desk.end(20, Rest, &second, Ending::NeverLeft);
    let third = admit(&mut desk, 40, group, b"third").expect("the second is forgotten");
    assert_eq!(desk.book.keys(group), 2);
    let second = admit(&mut desk, 1_029, group, b"second");
    assert_eq!(second, Err(Denied::TooManyKeys(2)));
    admit(&mut desk, 1_040, group, b"second").expect("the first is forgotten");
    assert_eq!(third[0].id.index, 1, "the number of the second");
}

#[test]
fn keys_of_one_request_do_not_push_each_other_out() {
    let (mut desk, group) = keyed(TWO, 1);
    let sender = window_of(&mut desk, 0, group, b"sender").expect("room");
    let named = [Claim::new(sender, 1)];
    let receiver = desk.book.window_of(at(0), group, b"receiver", &named);
    assert_eq!(receiver, Err(Denied::TooManyKeys(1)));
    assert!(window_of(&mut desk, 20, group, b"receiver").is_ok());
}

#[test]
fn a_key_that_nobody_asks_for_is_forgotten_when_others_come() {
    let (mut desk, group) = keyed(TWO, 100);
    for key in 0..8_u8 {
        window_of(&mut desk, 0, group, &[key]).expect("room");
    }
    window_of(&mut desk, 5_000, group, &[0]).expect("room");
    for key in 8..13_u8 {
        window_of(&mut desk, 10_000, group, &[key]).expect("room");
    }
    let known = |key: u8| desk.book.known_window_of(group, &[key]).is_some();
    assert!(known(0), "it was asked for");
    assert!((1..8).all(|key| !known(key)));
    assert!((8..13).all(known));
}

#[test]
fn a_key_that_is_waited_for_or_paused_or_silent_is_kept() {
    let (mut desk, group) = keyed(TWO, 3);
    let [paused, silent] =
        [b"paused", b"silent"].map(|key| window_of(&mut desk, 0, group, key).expect("room"));
    desk.act(|book, wakes| book.pause(at(0), paused, wakes));
    desk.act(|book, wakes| book.throttled(at(0), silent, Some(at(20_000)), wakes));
    window_of(&mut desk, 11_000, group, b"idle").expect("room");
    window_of(&mut desk, 12_000, group, b"other").expect("room of the idle one");
    for id in [paused, silent] {
        assert!(desk.book.limiters.has(id));
    }
    desk.act(|book, wakes| book.resume(at(20_000), paused, wakes));
    for key in [b"a", b"b", b"c"] {
        window_of(&mut desk, 20_000, group, key).expect("room of all others");
    }
}

#[test]
fn whoever_holds_an_old_name_does_nothing_to_the_window_that_has_its_number_now() {
    let (mut desk, group) = keyed(TWO, 1);
    let old = admit(&mut desk, 0, group, b"old").expect("room");
    desk.end(0, Rest, &old, Ending::Answered);
    let new = admit(&mut desk, 1_010, group, b"new").expect("room");
    assert_eq!(old[0].id.index, new[0].id.index);
    let id = old[0].id;
    desk.correct(1_010, old[0], 100, 1_009);
    desk.end(1_010, Rest, &old, Ending::NeverLeft);
    desk.act(|book, _| book.depart(at(1_010), &old, Rest));
    desk.act(|book, wakes| book.throttled(at(1_010), id, Some(at(5_000)), wakes));
    desk.act(|book, wakes| book.pause(at(1_010), id, wakes));
    assert!(!desk.act(|book, wakes| book.set_limit(at(1_010), id, None, 1, wakes)));
    assert!(desk.book.reading(at(1_010), id).is_none());
    assert!(!desk.book.admit_unseen(&mut old.clone(), Rest));
    let reading = desk.book.reading(at(1_010), new[0].id).expect("there");
    assert_eq!(
        (reading.in_flight, reading.closing, reading.limit),
        (1, 0, 2)
    );
    admit(&mut desk, 1_010, group, b"new").expect("neither silent nor paused");
    assert_eq!(desk.reading_tally(new[0].id).throttled, 0);
}

#[test]
fn a_full_start_counts_from_the_beginning_of_the_book_for_every_key() {
    let (mut desk, group) = keyed(TWO.start(Start::Full), 10);
    assert!(admit(&mut desk, 0, group, b"at once").is_err());
    assert!(admit(&mut desk, 1_509, group, b"late").is_err());
    for key in [&b"at once"[..], b"late", b"later"] {
        admit(&mut desk, 1_510, group, key).expect("the program before is out of the window");
    }
}

#[test]
fn of_many_live_keys_the_few_that_may_go_are_found() {
    let (mut desk, group) = keyed(TWO, 5_000);
    let key = |number: u32| number.to_be_bytes();
    let mut held: Vec<_> = (0..5_000)
        .map(|number| admit(&mut desk, 0, group, &key(number)).expect("room"))
        .collect();
    assert!(admit(&mut desk, 1_000, group, b"new").is_err());
    desk.end(1_000, Rest, &held.swap_remove(4_321), Ending::NeverLeft);
    desk.end(1_000, Rest, &held.swap_remove(123), Ending::NeverLeft);
    // Not at once: to look through all of them for every new key would hold up the others.
    admit(&mut desk, 2_000, group, b"new").expect("the room of one of them");
    admit(&mut desk, 3_000, group, b"newer").expect("the room of the other");
    assert!(admit(&mut desk, 4_000, group, b"newest").is_err());
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Admit(u8),
    End(usize, Ending),
    Correct(usize, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let ending = prop_oneof![
        2 => Just(Ending::Answered),
        1 => Just(Ending::Abandoned),
        1 => Just(Ending::NeverLeft)
    ];
    prop_oneof![
        2 => prop::sample::select(vec![1_u64, 20, 400, 1_010, 12_000]).prop_map(Step::Pass),
        4 => (0_u8..8).prop_map(Step::Admit),
        3 => (0_usize..6, ending).prop_map(|(which, ending)| Step::End(which, ending)),
        2 => (0_usize..6, 0_u32..5).prop_map(|(which, cost)| Step::Correct(which, cost)),
    ]
}

/// What one request has taken, as it should be.
#[derive(Clone, Debug)]
struct Taken {
    key: u8,
    claims: Claims,
    /// When it frees; never, while it is in flight.
    until: u64,
    /// When it was answered, if it was: then its cost may be set right.
    answered: Option<u64>,
}

/// Which of `taken` a step means, if any of them will do.
fn nth(taken: &mut [Taken], which: usize, will_do: impl Fn(&Taken) -> bool) -> Option<&mut Taken> {
    taken.iter_mut().filter(|one| will_do(one)).nth(which)
}

proptest! {
    #[test]
    fn no_place_is_forgotten_that_counts_or_may_yet_and_no_more_keys_are_kept_than_may_be(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let (mut desk, group) = keyed(TWO, 3);
        let (mut now, mut taken) = (0, Vec::<Taken>::new());
        for step in steps {
            match step {
                Step::Pass(millis) => now += millis,
                Step::Admit(key) => {
                    taken.retain(|one| one.until > now);
                    let of = |key: u8| taken.iter().filter(move |one| one.key == key);
                    let places = |key: u8| of(key).map(|one| one.claims[0].cost).sum::<u32>();
                    match admit(&mut desk, now, group, &[key]) {
                        Ok(claims) => {
                            prop_assert!(places(key) < 2);
                            taken.push(Taken { key, claims, until: u64::MAX, answered: None });
                        }
                        Err(Denied::TooManyKeys(_)) => {
                            prop_assert!((0..8).filter(|&key| of(key).count() > 0).count() >= 3);
                        }
                        Err(_) => prop_assert!(places(key) >= 2),
                    }
                }
                Step::End(which, ending) => {
                    let in_flight = |one: &Taken| one.until == u64::MAX;
                    if let Some(one) = nth(&mut taken, which, in_flight) {
                        desk.end(now, Rest, &one.claims, ending);
                        one.until = match ending {
                            Ending::Answered => now + 1_010,
                            Ending::Abandoned => now + 1_510,
                            Ending::NeverLeft => now,
                        };
                        one.answered = (ending == Ending::Answered).then_some(now);
                    }
                }
                Step::Correct(which, cost) => {
                    let answered = |one: &Taken| one.answered.is_some();
                    if let Some(one) = nth(&mut taken, which, answered) {
                        let answered = one.answered.expect("it was");
                        desk.correct(now, one.claims[0], cost, answered);
                        one.claims[0].cost = cost;
                    }
                }
            }
            prop_assert!(desk.book.keys(group) <= 3);
            taken.retain(|one| one.until > now);
            for key in 0..8 {
                let of_key = taken.iter().filter(|one| one.key == key);
                let (requests, places) = of_key.fold((0, 0), |(requests, places), one| {
                    (requests + 1, places + one.claims[0].cost)
                });
                match desk.book.known_window_of(group, &[key]) {
                    None => prop_assert_eq!(requests, 0, "forgotten: {:?}", taken),
                    Some(id) => {
                        let reading = desk.book.reading(at(now), id).expect("there");
                        prop_assert_eq!(reading.in_flight + reading.closing, places);
                    }
                }
            }
        }
    }
}
