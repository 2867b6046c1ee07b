//! One window, of which each request takes one place.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use proptest::prelude::*;

use super::desk::{Desk, FOREVER, Flag, Seen, at};
use super::solo::Solo;
use super::world::{Plan, World};
use crate::book::outcome::{Denied, Driven, Joined, Leaving, Look, Patience};
use crate::book::waiter::Wakes;
use crate::lane::Lane;
use crate::quota::{Quota, SECOND};
use crate::shape::rolling::Ending;

/// One place a second, held for 1010 ms.
const ONE: Quota = Quota::rolling(1, SECOND);

#[test]
fn waiters_are_served_in_order_each_at_the_moment_at_which_its_place_frees() {
    let world = World::new([ONE], vec![Plan::at(0); 5]).run();
    let expected: Vec<_> = (0..5).map(|round| Some(round * 1_010)).collect();
    assert_eq!(world.admissions(), expected);
    world.assert_in_order();
}

#[test]
fn a_waiter_that_is_never_polled_delays_the_others_by_50_ms_once() {
    let plans = vec![Plan::at(0), Plan::at(0).asleep(), Plan::at(0), Plan::at(0)];
    let world = World::new([ONE], plans).run();
    let admissions = world.admissions();
    assert_eq!(admissions[1], None);
    assert_eq!(admissions[2], Some(1_010 + 50));
    assert_eq!(
        admissions[3],
        Some(1_010 + 50 + 1_010),
        "it missed one offer, and costs no more"
    );
}

#[test]
fn a_row_of_sleepers_delays_the_others_by_50_ms_each() {
    for sleepers in 1..40 {
        let mut plans = vec![Plan::at(0)];
        plans.extend(vec![Plan::at(0).asleep(); sleepers]);
        plans.extend(vec![Plan::at(0); 7]);
        let world = World::new([ONE], plans).run();
        let first = world.admissions()[sleepers + 1].expect("admitted");
        assert_eq!(first - 1_010, 50 * sleepers as u64, "{sleepers}");
    }
}

#[test]
fn sleepers_cost_50_ms_each_wherever_they_stand() {
    const WAITERS: usize = 300;
    let spread: Vec<usize> = (0..WAITERS).step_by(7).collect();
    for asleep in [
        vec![0, 1, 4, 16, 64, 256, WAITERS - 2],
        (0..WAITERS).filter(|place| place % 64 < 2).collect(),
        spread,
    ] {
        let mut plans = vec![Plan::at(0); WAITERS + 1];
        for place in &asleep {
            plans[place + 1].sleeps = true;
        }
        let window = Quota::rolling(1, 2 * SECOND);
        let world = World::new([window], plans).run();
        world.assert_in_order();
        assert_eq!(world.idle, 50 * asleep.len() as u64);
    }
}

#[test]
fn a_runtime_that_nobody_drives_costs_the_others_10_ms_once_and_its_waiters_offers() {
    let parked = |arrives| Plan {
        runtime: 1,
        ..Plan::at(arrives).asleep()
    };
    // The lead is on that runtime, and so are two of those who wait.
    let plans = vec![Plan::at(0), parked(0), parked(0), Plan::at(1), Plan::at(1)];
    let mut world = World::new([ONE], plans);
    world.parked = vec![1];
    let world = world.run();
    let admissions = world.admissions();
    let first = 1_010 + 10 + 2 * 50;
    assert_eq!(admissions[3..], [Some(first), Some(first + 1_010)]);
}

#[test]
fn patience_ends_in_time_though_the_lead_is_on_a_runtime_that_nobody_drives() {
    let parked = Plan {
        runtime: 1,
        ..Plan::at(0).asleep()
    };
    let impatient = Plan {
        patience: Some(3_000),
        ..Plan::at(0)
    };
    let in_flight = Plan {
        latency: 60_000,
        ..Plan::at(0)
    };
    let mut world = World::new([ONE], vec![in_flight, parked, impatient]);
    world.parked = vec![1];
    // It checks that the one leaves when it has to.
    world.run().assert_all_served();
}

#[test]
fn a_runtime_that_goes_leaves_those_who_go_on_elsewhere_a_driver() {
    let elsewhere = Plan {
        runtime: 1,
        ..Plan::at(0)
    };
    let mut world = World::new([ONE], vec![Plan::at(0), elsewhere.clone(), elsewhere]);
    world.ends = vec![(500, 1)];
    let mut world = world.run();
    assert_eq!(world.admissions(), [Some(0), Some(1_010), Some(2_020)]);
    world.assert_all_served();
}

#[test]
fn several_drivers_do_not_all_look_at_every_event() {
    // A place a millisecond, and waiters on 32 runtimes.
    let quota = Quota::rolling(1, Duration::from_millis(1)).margin(Duration::ZERO);
    let plans = (0..3_200).map(|number| Plan {
        runtime: number % 32,
        ..Plan::at(0)
    });
    let world = World::new([quota], plans.collect()).run();
    world.assert_in_order();
    assert_eq!(world.idle, 0);
    // The lead looks at each, and again when it has been claimed; the others at one in ten.
    let most = 2 * 3_200 + 31 * 320 + 32;
    assert!(world.looks <= most, "{}", world.looks);
}

#[test]
fn a_place_given_back_passes_a_sleeper_in_50_ms() {
    let never_left = Plan {
        latency: 300,
        ending: Ending::NeverLeft,
        ..Plan::at(0)
    };
    let plans = vec![never_left, Plan::at(0).asleep(), Plan::at(0)];
    let world = World::new([ONE], plans).run();
    assert_eq!(world.admissions()[2], Some(300 + 50));
}

#[test]
fn a_waiter_that_missed_its_offer_keeps_its_ticket() {
    let mut limiter = Solo::new(ONE, at(0));
    let mut wakes = Wakes::default();
    assert!(limiter.admit_unseen(1));
    let mut join = |limiter: &mut Solo| {
        let waker = Waker::noop().clone();
        match limiter.join(at(0), 1, FOREVER, waker, &mut wakes) {
            Ok(Joined::Waits { ticket, .. }) => ticket,
            other => panic!("{other:?}"),
        }
    };
    let (first, second, third) = (join(&mut limiter), join(&mut limiter), join(&mut limiter));
    let look = |limiter: &mut Solo, now, ticket| {
        limiter.look(
            at(now),
            ticket,
            Waker::noop().clone(),
            &mut Wakes::default(),
        )
    };
    limiter.end(at(0), 1, Ending::NeverLeft, &mut Wakes::default());
    assert_ne!(look(&mut limiter, 49, second), Look::Admitted);
    assert_eq!(look(&mut limiter, 50, second), Look::Admitted);
    // The first comes too late for this one, and is before the third at the next.
    assert_ne!(look(&mut limiter, 60, first), Look::Admitted);
    limiter.end(at(70), 1, Ending::NeverLeft, &mut Wakes::default());
    assert_ne!(look(&mut limiter, 70, third), Look::Admitted);
    assert_eq!(look(&mut limiter, 70, first), Look::Admitted);
}

#[test]
fn a_newcomer_overtakes_nobody_but_those_who_sleep() {
    let mut limiter = Solo::new(ONE, at(0));
    let join = |limiter: &mut Solo, now| {
        let waker = Waker::noop().clone();
        limiter.join(at(now), 1, FOREVER, waker, &mut Wakes::default())
    };
    assert_eq!(join(&mut limiter, 0), Ok(Joined::Admitted));
    assert!(matches!(join(&mut limiter, 0), Ok(Joined::Waits { .. })));
    limiter.end(at(0), 1, Ending::NeverLeft, &mut Wakes::default());
    assert!(
        !limiter.admit_unseen(1),
        "it is offered to the one who waits"
    );
    assert!(limiter.admit(at(49), 1, &mut Wakes::default()).is_err());
    assert_eq!(limiter.admit(at(50), 1, &mut Wakes::default()), Ok(()));
}

#[test]
fn a_small_request_does_not_slip_past_a_large_one_that_waits() {
    let mut limiter = Solo::new(Quota::rolling(2, SECOND), at(0));
    let mut wakes = Wakes::default();
    assert!(limiter.admit_unseen(1));
    let large = limiter.join(at(0), 2, FOREVER, Waker::noop().clone(), &mut wakes);
    let Ok(Joined::Waits { ticket, .. }) = large else {
        panic!("{large:?}")
    };
    assert!(!limiter.admit_unseen(1));
    assert!(limiter.admit(at(0), 1, &mut wakes).is_err());
    limiter.end(at(0), 1, Ending::NeverLeft, &mut wakes);
    let look = limiter.look(at(0), ticket, Waker::noop().clone(), &mut wakes);
    assert_eq!(look, Look::Admitted);
}

#[test]
fn an_offer_that_is_dropped_passes_on_at_once() {
    let mut limiter = Solo::new(ONE, at(0));
    let mut wakes = Wakes::default();
    assert!(limiter.admit_unseen(1));
    let flags = [Arc::<Flag>::default(), Arc::<Flag>::default()];
    let [first, second] = flags.each_ref().map(|flag| {
        let waker = Waker::from(Arc::clone(flag));
        match limiter.join(at(0), 1, FOREVER, waker, &mut wakes) {
            Ok(Joined::Waits { ticket, .. }) => ticket,
            other => panic!("{other:?}"),
        }
    });
    limiter.end(at(5), 1, Ending::NeverLeft, &mut wakes);
    std::mem::take(&mut wakes).fire();
    assert!(flags[0].take());
    limiter.leave(at(6), first, Leaving::Cancelled, &mut wakes);
    assert_eq!(
        limiter.reading(at(6)).in_flight,
        1,
        "it is kept for the next"
    );
    std::mem::take(&mut wakes).fire();
    assert!(flags[1].take());
    let look = limiter.look(at(6), second, Waker::noop().clone(), &mut wakes);
    assert_eq!(look, Look::Admitted);
    assert_eq!(limiter.reading(at(6)).waiting, 0, "no trace of either");
}

#[test]
fn when_those_in_front_leave_the_next_is_served_in_time() {
    let mut desk = Desk::new([ONE]);
    let held = desk.admit(0, Lane::Rest, &[(0, 1)]);
    desk.end(0, Lane::Rest, &held, Ending::Answered);
    let waiting: Vec<_> = (0..11)
        .map(|_| desk.join(1, Lane::Rest, &[(0, 1)]))
        .collect();
    for leaves in [0, 1, 4, 10] {
        desk.leave(2, &waiting[leaves]);
    }
    assert_eq!(desk.drive(2), Some(at(1_010)));
    assert!(waiting.iter().all(|one| !one.called.take()));
    desk.drive(1_010);
    assert!(waiting[2].called.take());
    assert_eq!(desk.look(1_010, &waiting[2]), Seen::Admitted);
}

#[test]
fn a_pause_takes_back_what_was_offered_and_nothing_is_out_of_order() {
    let mut limiter = Solo::new(ONE, at(0));
    let mut wakes = Wakes::default();
    assert!(limiter.admit_unseen(1));
    let Ok(Joined::Waits { ticket, .. }) =
        limiter.join(at(0), 1, FOREVER, Waker::noop().clone(), &mut wakes)
    else {
        panic!("must wait")
    };
    limiter.end(at(0), 1, Ending::NeverLeft, &mut wakes);
    limiter.throttled(at(1), Some(at(100)), &mut wakes);
    let look = limiter.look(at(2), ticket, Waker::noop().clone(), &mut wakes);
    assert_eq!(look, Look::Waits(Driven::Already));
    let look = limiter.look(at(100), ticket, Waker::noop().clone(), &mut wakes);
    assert_eq!(look, Look::Admitted);
}

#[test]
fn a_wait_that_would_be_too_long_is_refused_behind_all_who_wait_already() {
    let mut limiter = Solo::new(ONE, at(0));
    let mut wakes = Wakes::default();
    assert!(limiter.admit_unseen(1));
    limiter.end(at(0), 1, Ending::Answered, &mut wakes);
    let mut join = |until, queue| {
        let patience = Patience {
            until: at(until),
            queue,
        };
        let waker = Waker::noop().clone();
        limiter.join(at(0), 1, patience, waker, &mut wakes)
    };
    assert_eq!(join(1_009, 9), Err(Denied::TooLate(at(1_010))));
    assert!(matches!(join(1_010, 9), Ok(Joined::Waits { .. })));
    assert_eq!(join(2_019, 9), Err(Denied::TooLate(at(2_020))));
    assert_eq!(join(2_020, 1), Err(Denied::Full(at(2_020))));
    let reading = limiter.reading(at(0));
    assert_eq!((reading.tally.refused, reading.tally.waited), (3, 1));
}

#[test]
fn four_thousand_waiters_cost_two_polls_a_grant() {
    for latency in [0, 1, 20, 80, 300] {
        let quota = Quota::rolling(100, Duration::from_millis(200));
        let plan = Plan {
            latency,
            ..Plan::at(0)
        };
        let world = World::new([quota], vec![plan; 4_000]).run();
        world.assert_in_order();
        // The first hundred wait for nothing.
        assert_eq!(world.polls, 2 * 4_000 - 100, "at {latency} ms");
        assert!(world.looks <= 4 * 40, "{} at {latency} ms", world.looks);
    }
}

#[test]
fn places_that_come_one_by_one_cost_two_polls_each() {
    let quota = Quota::rolling(100, 60 * SECOND);
    let spread = (0..100).map(|i| Plan::at(i * 600));
    let plans = spread.chain((0..300).map(|_| Plan::at(60_000))).collect();
    let world = World::new([quota], plans).run();
    world.assert_in_order();
    assert_eq!(world.polls, 100 + 2 * 300);
    assert!(world.looks <= 2 * 300 + 2, "{}", world.looks);
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let plan = (
        0_u64..3_000,
        prop::sample::select(vec![0_u64, 1, 20, 80, 900]),
        prop_oneof![
            6 => Just(Ending::Answered),
            1 => Just(Ending::Abandoned),
            2 => Just(Ending::NeverLeft),
        ],
        prop::option::weighted(0.1, 0_u64..6_000),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(arrives, latency, ending, cancelled, restless)| Plan {
            latency,
            ending,
            cancelled,
            restless,
            ..Plan::at(arrives)
        });
    prop::collection::vec(plan, 1..60)
}

proptest! {
    #[test]
    fn the_living_are_served_in_order_and_no_place_stands_idle(
        plans in plans(),
        limit in 1_u32..6,
    ) {
        let quota = Quota::rolling(limit, SECOND);
        let mut world = World::new([quota], plans).run();
        world.assert_in_order();
        world.assert_all_served();
        prop_assert_eq!(world.idle, 0);
    }

    #[test]
    fn a_group_that_sleeps_costs_the_others_50_ms_each(
        mut plans in plans(),
        limit in 1_u32..6,
        group in (0_usize..60, 1_usize..20),
    ) {
        plans.sort_by_key(|plan| plan.arrives);
        let sleepers = plans.iter_mut().skip(group.0).take(group.1);
        let asleep = sleepers.map(|plan| plan.sleeps = true).count() as u64;
        let quota = Quota::rolling(limit, SECOND);
        let mut world = World::new([quota], plans).run();
        world.assert_in_order();
        world.assert_all_served();
        prop_assert!(world.idle <= 50 * asleep, "{} ms for {asleep}", world.idle);
    }
}
