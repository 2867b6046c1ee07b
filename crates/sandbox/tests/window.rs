//! The window against a list that keeps everything.

use std::time::Duration;

use proptest::prelude::*;
use sandbox::window::{Admission, Count, Peak, Resolution, Window};

const LENGTH: Duration = Duration::from_secs(10);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The rule, as written: at `now` a stamp counts if it lies in `(now − length, now]`.
fn naive(stamps: &[Duration], now: Duration) -> usize {
    stamps.iter().filter(|&&stamp| stamp + LENGTH > now).count()
}

fn counted(admission: Admission) -> bool {
    matches!(admission, Admission::Counted { .. })
}

#[test]
fn a_place_frees_exactly_one_length_after_its_stamp() {
    let mut window = Window::new(1, LENGTH);
    assert!(counted(window.admit(ms(0), Count::Now)));
    assert_eq!(
        window.admit(ms(9_999), Count::Now),
        Admission::Rejected { retry_after: ms(1) }
    );
    assert!(counted(window.admit(ms(10_000), Count::Now)));
}

#[test]
fn whole_seconds_compared_inclusively_keep_a_place_up_to_a_second_longer() {
    let mut window = Window::new(1, LENGTH);
    window.set_resolution(Resolution::WholeSeconds);
    assert!(counted(window.admit(ms(300), Count::Now)));
    assert_eq!(
        window.admit(ms(10_999), Count::Now),
        Admission::Rejected { retry_after: ms(1) }
    );
    assert!(counted(window.admit(ms(11_000), Count::Now)));
}

#[test]
fn a_late_stamp_occupies_its_place_from_the_admission_on() {
    let mut window = Window::new(1, LENGTH);
    assert!(counted(window.admit(ms(0), Count::Later)));
    assert_eq!(
        window.admit(ms(60_000), Count::Now),
        Admission::Rejected {
            retry_after: LENGTH
        }
    );
    window.stamp(ms(61_000));
    assert!(!counted(window.admit(ms(70_999), Count::Now)));
    assert!(counted(window.admit(ms(71_000), Count::Now)));
}

#[test]
fn a_lower_limit_waits_until_enough_stamps_have_left() {
    let mut window = Window::new(3, LENGTH);
    for at in [0, 1000, 2000] {
        assert!(counted(window.admit(ms(at), Count::Now)));
    }
    window.set_limit(1);
    assert_eq!(
        window.admit(ms(3000), Count::Now),
        Admission::Rejected {
            retry_after: ms(9000)
        }
    );
}

#[test]
fn rejected_requests_that_are_counted_keep_the_window_shut() {
    let mut window = Window::new(1, LENGTH);
    assert!(counted(window.admit(ms(0), Count::Now)));
    assert!(!counted(window.admit(ms(9000), Count::Now)));
    window.stamp_rejected(ms(9000));
    assert!(!counted(window.admit(ms(10_000), Count::Now)));
    assert!(counted(window.admit(ms(19_000), Count::Now)));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Admit(Count),
    StampOne,
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        6 => Just(Step::Admit(Count::Now)),
        2 => Just(Step::Admit(Count::Later)),
        2 => Just(Step::StampOne),
    ];
    prop::collection::vec(
        (prop_oneof![0..50u64, 0..4000u64, Just(10_000u64)], step),
        1..200,
    )
}

proptest! {
    /// Every decision is the naive list's, no stretch ever holds more than the limit, and the peak is the true one.
    #[test]
    fn the_window_decides_as_a_list_of_everything_would(limit in 1usize..8, steps in steps()) {
        let mut window = Window::new(limit, LENGTH);
        let mut peak = Peak::new(LENGTH);
        let (mut stamps, mut waiting, mut now) = (Vec::new(), 0usize, Duration::ZERO);
        for (pause, step) in steps {
            now += ms(pause);
            match step {
                Step::Admit(count) => {
                    let taken = naive(&stamps, now) + waiting;
                    match window.admit(now, count) {
                        Admission::Counted { remaining } => {
                            prop_assert_eq!(remaining + taken + 1, limit);
                            match count {
                                Count::Now => { stamps.push(now); peak.note(now); }
                                Count::Later => waiting += 1,
                            }
                        }
                        Admission::Rejected { retry_after } => {
                            prop_assert!(taken >= limit);
                            // Nothing less would have helped, and this much does if nobody else comes.
                            let free = |at| naive(&stamps, at) + waiting < limit;
                            prop_assert!(!free(now + retry_after - Duration::from_nanos(1)) );
                            prop_assert!(waiting > 0 || free(now + retry_after));
                        }
                    }
                }
                Step::StampOne if waiting > 0 => {
                    window.stamp(now);
                    waiting -= 1;
                    stamps.push(now);
                    peak.note(now);
                }
                Step::StampOne => {}
            }
        }
        let fullest = stamps.iter().map(|&end| {
            stamps.iter().filter(|&&stamp| stamp <= end && stamp + LENGTH > end).count()
        }).max().unwrap_or(0);
        prop_assert!(fullest <= limit);
        prop_assert_eq!(peak.most(), fullest);
    }
}
