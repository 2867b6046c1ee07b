//! Random books, random requests, and everything that can happen to them.

use std::time::Duration;

use proptest::prelude::*;

use super::world::{Change, Plan, World};
use crate::lane::Lane;
use crate::quota::{Quota, Quotas, SECOND};
use crate::shape::rolling::Ending;

fn quota() -> impl Strategy<Value = Quota> {
    let window = prop::sample::select(vec![1_u32, 2, 5]);
    let counted_within = prop::option::weighted(0.2, Just(Duration::from_millis(300)));
    (1_u32..6, window, 0_u32..6, counted_within).prop_map(|(limit, window, reserve, within)| {
        let quota = Quota::rolling(limit, window * SECOND)
            .grace(Duration::from_millis(500))
            .reserve(reserve.min(limit - 1));
        match within {
            Some(within) => quota.counted_within(within),
            None => quota,
        }
    })
}

fn quotas() -> impl Strategy<Value = Quotas> {
    prop::collection::vec(quota(), 1..4).prop_map(|quotas| {
        let mut quotas = quotas.into_iter().map(Quotas::from);
        let first = quotas.next().expect("one at least");
        quotas.fold(first, Quotas::and)
    })
}

/// Requests to some of so many windows.
fn plans(windows: usize, together: usize, lanes: bool) -> impl Strategy<Value = Vec<Plan>> {
    let ending = prop_oneof![
        6 => Just(Ending::Answered),
        1 => Just(Ending::Abandoned),
        2 => Just(Ending::NeverLeft),
    ];
    let all: Vec<usize> = (0..windows).collect();
    let wants = prop::sample::subsequence(all, 1..=together.min(windows)).prop_shuffle();
    let times = (
        0_u64..4_000,
        prop::sample::select(vec![0_u64, 0, 0, 5, 400]),
        prop::sample::select(vec![0_u64, 1, 20, 80, 900]),
    );
    let rest = (
        prop::collection::vec(prop::option::weighted(0.2, 0_u32..6), 4),
        // Another rule that goes by the first, or the last, of the windows.
        prop::option::weighted(0.3, (any::<bool>(), 1_u32..4)),
        prop::option::weighted(0.1, 0_u64..6_000),
        prop::bool::weighted(0.1),
        prop::bool::weighted(if lanes { 0.5 } else { 0.0 }),
        prop::option::weighted(0.15, 1_u64..3_000),
        0_u64..3,
    );
    let plan = (times, wants, [1_u32..4, 1..4, 1..4], ending, rest).prop_map(
        |((arrives, lingers, latency), wants, costs, ending, rest)| {
            let (corrected, another, cancelled, restless, first, patience, runtime) = rest;
            let mut wants: Vec<(usize, u32)> = wants.into_iter().zip(costs).collect();
            if let Some((last, cost)) = another {
                let window = wants[if last { wants.len() - 1 } else { 0 }].0;
                wants.push((window, cost));
            }
            Plan {
                wants,
                lane: if first { Lane::First } else { Lane::Rest },
                lingers,
                latency,
                ending,
                costs: corrected,
                cancelled,
                restless,
                patience,
                runtime,
                ..Plan::at(arrives)
            }
        },
    );
    prop::collection::vec(plan, 1..40)
}

/// Runtimes that go, of three, and when.
fn ends() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0_u64..8_000, 1_u64..3), 0..3)
}

/// Changes to so many windows, each of which ends.
fn changes(windows: usize) -> impl Strategy<Value = Vec<(u64, usize, Change)>> {
    let change = prop_oneof![
        3 => (1_u32..7).prop_map(Change::Limit),
        1 => Just(Change::Pause),
        1 => (1_u64..2_000).prop_map(Change::Throttled),
    ];
    let change = (0_u64..8_000, 0..windows, change, 1_u64..3_000);
    prop::collection::vec(change, 0..6).prop_map(|changes| {
        let mut all = Vec::new();
        for (at, window, change, length) in changes {
            all.push((at, window, change));
            if let Change::Pause = change {
                all.push((at + length, window, Change::Resume));
            }
        }
        // One at a time: what is lowered and raised at once is refused to those who had been told so in between.
        all.sort_by_key(|change| change.0);
        let mut last = 0;
        for (at, ..) in &mut all {
            *at = (*at).max(last + 1);
            last = *at;
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn in_one_window_of_any_shape_each_is_served_in_order_as_soon_as_there_is_room(
        quotas in quotas(),
        plans in plans(1, 1, true),
        changes in changes(1),
        (ends, drivers_last) in (ends(), any::<bool>()),
    ) {
        let mut world = World::new([quotas], plans).changing(changes);
        (world.ends, world.drivers_last) = (ends, drivers_last);
        let mut world = world.run();
        world.assert_in_order();
        world.assert_all_served();
        prop_assert_eq!(world.idle, 0);
    }

    #[test]
    fn of_several_windows_all_are_taken_or_none_and_nobody_waits_longer_than_the_order_allows(
        quotas in prop::collection::vec(quotas(), 2..4),
        mut plans in plans(3, 3, false),
        (ends, drivers_last) in (ends(), any::<bool>()),
    ) {
        for plan in &mut plans {
            plan.patience = None;
            plan.wants.retain(|want| want.0 < quotas.len());
        }
        plans.retain(|plan| !plan.wants.is_empty());
        let mut world = World::new(quotas, plans);
        (world.ends, world.drivers_last, world.bounded) = (ends, drivers_last, true);
        let mut world = world.run();
        world.assert_in_order();
        world.assert_all_served();
        prop_assert_eq!(world.idle, 0);
    }

    #[test]
    fn so_it_is_with_lanes_and_while_the_limits_change(
        quotas in prop::collection::vec(quotas(), 2..4),
        mut plans in plans(3, 3, true),
        changes in changes(2),
        (ends, drivers_last) in (ends(), any::<bool>()),
    ) {
        for plan in &mut plans {
            plan.wants.retain(|want| want.0 < quotas.len());
        }
        plans.retain(|plan| !plan.wants.is_empty());
        let mut world = World::new(quotas, plans).changing(changes);
        (world.ends, world.drivers_last) = (ends, drivers_last);
        let mut world = world.run();
        world.assert_all_served();
        prop_assert_eq!(world.idle, 0);
    }

    #[test]
    fn those_who_sleep_keep_nobody_from_being_served_nor_does_a_runtime_that_nobody_drives(
        quotas in prop::collection::vec(quotas(), 1..4),
        mut plans in plans(3, 3, true),
        changes in changes(1),
        sleepers in prop::collection::vec(any::<bool>(), 40),
        parked in prop::sample::subsequence(vec![0_u64, 1, 2], 0..=2),
        drivers_last in any::<bool>(),
    ) {
        for (plan, sleeps) in plans.iter_mut().zip(sleepers) {
            plan.wants.retain(|want| want.0 < quotas.len());
            plan.sleeps = sleeps || parked.contains(&plan.runtime);
        }
        plans.retain(|plan| !plan.wants.is_empty());
        let mut world = World::new(quotas, plans).changing(changes);
        (world.parked, world.drivers_last) = (parked, drivers_last);
        let mut world = world.run();
        world.assert_all_served();
    }
}
