//! The machine by itself.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::SourceError;

const SECOND: Duration = Duration::from_secs(1);

fn start(life: &mut Life, now: Instant) -> u64 {
    match life.next(now, None, 0.0) {
        Next::Start(epoch) => epoch,
        other => panic!("{other:?}"),
    }
}

fn life() -> (Life, Instant) {
    (Life::new(Timing::DIRECT), Instant::now())
}

#[test]
fn one_fetch_at_a_time() {
    let (mut life, now) = life();
    assert_eq!(start(&mut life, now), 1);
    let end = now + SECOND * 10;
    assert!(matches!(life.next(now, None, 0.0), Next::Fetching(until) if until == end));
    assert_eq!(life.renew(now, 0.0), None);
    assert_eq!(life.succeed(1), Some(1));
    assert_eq!(life.renew(now, 0.0), Some(2));
}

#[test]
fn a_fetch_that_outlives_its_time_is_a_failed_one() {
    let (mut life, now) = life();
    start(&mut life, now);
    let late = now + SECOND * 10;
    let next = life.next(late, None, 0.0);
    let Next::BackingOff(until, Failure::TimedOut) = next else {
        panic!("{next:?}");
    };
    assert_eq!(until, late + SECOND);
    assert_eq!(start(&mut life, until), 2);
    assert!(!life.fail(1, Failure::Panicked, until, 0.0), "fenced");
}

#[test]
fn a_late_token_is_adopted_until_a_newer_one_is_published() {
    let (mut life, now) = life();
    start(&mut life, now);
    life.next(now + SECOND * 10, None, 0.0);
    start(&mut life, now + SECOND * 11);
    assert_eq!(life.succeed(1), Some(1), "nothing newer yet");
    assert!(matches!(
        life.next(now + SECOND * 11, None, 0.0),
        Next::Fetching(_)
    ));
    assert_eq!(life.succeed(2), Some(2));

    start(&mut life, now + SECOND * 12);
    life.next(now + SECOND * 22, None, 0.0);
    start(&mut life, now + SECOND * 30);
    assert_eq!(life.succeed(4), Some(3));
    assert_eq!(life.succeed(3), None, "fenced");
}

#[test]
fn a_lost_fetch_is_started_anew_by_anybody_but_its_starter() {
    let (mut life, now) = life();
    start(&mut life, now);
    assert!(life.lose(1));
    assert!(matches!(life.next(now, Some(1), 0.0), Next::Lost));
    assert_eq!(start(&mut life, now), 2);
    assert!(!life.lose(1), "fenced");
}

#[test]
fn a_permanent_refusal_stays_until_something_changes() {
    let (mut life, now) = life();
    start(&mut life, now);
    let why = Failure::Source(Arc::new(SourceError::permanent("revoked")));
    assert!(life.fail(1, why, now, 0.0));
    let years = now + SECOND * 100_000_000;
    assert!(matches!(life.next(years, None, 0.0), Next::Refused(_)));
    assert_eq!(life.renew(years, 0.0), None);
    life.change();
    assert_eq!(start(&mut life, years), 2);
}

#[test]
fn tokens_that_are_never_accepted_are_fetched_ever_more_slowly() {
    let (mut life, mut now) = life();
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let epoch = start(&mut life, now);
        life.succeed(epoch);
        life.reject(false, now, now, 1.0);
        let Next::BackingOff(until, Failure::Rejected) = life.next(now, None, 1.0) else {
            panic!("no pause");
        };
        pauses.push((until - now).as_secs());
        now = until;
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn an_accepted_token_that_is_refused_makes_room_at_once_but_once_a_second() {
    let (mut life, now) = life();
    let epoch = start(&mut life, now);
    life.succeed(epoch);
    life.accept();
    life.reject(true, now, now + SECOND * 5, 0.0);
    assert_eq!(start(&mut life, now + SECOND * 5), 2);

    life.succeed(2);
    life.reject(true, now + SECOND * 5, now + SECOND * 5, 0.0);
    let next = life.next(now + SECOND * 5, None, 0.0);
    assert!(matches!(next, Next::BackingOff(until, _) if until == now + SECOND * 6));
}

#[test]
fn acceptance_ends_a_row_of_failures_and_a_mere_fetch_does_not() {
    let (mut life, now) = life();
    start(&mut life, now);
    life.fail(1, Failure::Panicked, now, 1.0);
    start(&mut life, now + SECOND * 2);
    life.succeed(2);
    assert_eq!(life.failures, 1);
    life.accept();
    assert_eq!(life.failures, 0);
}

/// What may happen to a slot.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Somebody needs a token.
    Need,
    /// The fetch of this epoch ends, if there was one.
    Succeed(u64),
    Fail(u64),
    Lose(u64),
    Reject {
        accepted: bool,
    },
    Accept,
    /// Milliseconds go by.
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let epoch = 1..12_u64;
    prop_oneof![
        4 => Just(Event::Need),
        2 => epoch.clone().prop_map(Event::Succeed),
        2 => epoch.clone().prop_map(Event::Fail),
        1 => epoch.prop_map(Event::Lose),
        1 => any::<bool>().prop_map(|accepted| Event::Reject { accepted }),
        1 => Just(Event::Accept),
        3 => (0..12_000_u64).prop_map(Event::Pass),
    ]
}

proptest! {
    /// A fetch starts only when no other one runs and no pause is on; tokens are published in the order of their fetches.
    #[test]
    fn whatever_happens_there_is_one_fetch_at_a_time(events in vec(event(), 0..100)) {
        let (mut life, mut now) = life();
        let mut running = None;
        let mut pause_ends = now;
        let mut published = 0;
        let mut generation = 0;
        let mut held = false;
        for event in events {
            match event {
                Event::Need => {
                    let next = life.next(now, None, 0.5);
                    if running.is_some_and(|(_, until)| until <= now) {
                        running = None;
                        pause_ends = now + SECOND;
                    }
                    if let Next::Start(epoch) = next {
                        prop_assert!(running.is_none(), "two fetches at once");
                        prop_assert!(now >= pause_ends, "no pause");
                        running = Some((epoch, now + SECOND * 10));
                    }
                }
                Event::Succeed(epoch) if epoch <= life.epoch => {
                    if let Some(newer) = life.succeed(epoch) {
                        prop_assert!(epoch > published && newer == generation + 1);
                        (published, generation, held) = (epoch, newer, true);
                        running = running.filter(|(running, _)| *running != epoch);
                        pause_ends = now;
                    }
                }
                Event::Fail(epoch) => {
                    if life.fail(epoch, Failure::Panicked, now, 0.5) {
                        prop_assert_eq!(running.take().map(|(epoch, _)| epoch), Some(epoch));
                        pause_ends = now + SECOND;
                    }
                }
                Event::Lose(epoch) => {
                    if life.lose(epoch) {
                        prop_assert_eq!(running.take().map(|(epoch, _)| epoch), Some(epoch));
                    }
                }
                // The shell throws a token away with its first refusal, so each has one at most.
                Event::Reject { accepted } if held => {
                    held = false;
                    // The machine's pauses grow; the model knows their least alone, and a pause that is on is not begun anew.
                    let is_paused = !life.may_start(now);
                    life.reject(accepted, now, now, 0.5);
                    if running.is_none() && !is_paused {
                        pause_ends = now + SECOND;
                    }
                }
                Event::Accept => life.accept(),
                Event::Pass(millis) => now += Duration::from_millis(millis),
                Event::Succeed(_) | Event::Reject { .. } => {}
            }
        }
        prop_assert_eq!(life.generation, generation);
    }
}
