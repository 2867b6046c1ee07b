use std::time::Duration;

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
/// 2026-11-27T15:10:36Z.
const EPOCH: u64 = 1_795_792_236_000;

fn at(ms: u64) -> Moment {
    Moment::START.after(Duration::from_millis(ms))
}

/// A server whose clock shows `offset` milliseconds more than ours, both since the unix epoch.
fn date(offset: u64, generated: u64) -> Duration {
    Duration::from_secs((offset + generated) / 1000)
}

#[test]
fn a_clock_that_knows_nothing_answers_with_a_whole_window() {
    let clock = ServerClock::new(1000);
    assert_eq!(clock.next_boundary_latest(at(5_000), MINUTE), at(65_000));
    assert_eq!(clock.next_boundary_earliest(at(5_000), MINUTE), at(5_000));
}

#[test]
fn one_response_bounds_the_end_of_the_window_to_a_second_and_a_round_trip() {
    let mut clock = ServerClock::new(0);
    // The server's clock shows 36.2 s of the minute when ours shows 1 s; the window ends at 24.8 s.
    clock.learn(date(EPOCH, 200), at(900), at(1_100));
    assert_eq!(clock.next_boundary_latest(at(1_100), MINUTE), at(25_100));
    assert_eq!(clock.next_boundary_earliest(at(1_100), MINUTE), at(23_900));
}

#[test]
fn many_responses_bound_it_to_little_more_than_a_round_trip() {
    let mut clock = ServerClock::new(0);
    for n in 0..100 {
        let departed = n * 137;
        clock.learn(date(EPOCH, departed + 20), at(departed), at(departed + 40));
    }
    // The true end is at 24 s of ours.
    let latest = clock.next_boundary_latest(at(13_700), MINUTE);
    let earliest = clock.next_boundary_earliest(at(13_700), MINUTE);
    assert!(at(24_000) <= latest && latest <= at(24_040), "{latest:?}");
    assert!(
        at(23_960) <= earliest && earliest <= at(24_000),
        "{earliest:?}"
    );
}

#[test]
fn where_two_windows_are_possible_the_answer_is_a_whole_window() {
    let mut clock = ServerClock::new(0);
    clock.learn(date(EPOCH, 200), at(900), at(1_100));
    // The offset's second and round trip put 24.5 s on either side of the minute.
    assert_eq!(clock.next_boundary_latest(at(24_500), MINUTE), at(84_500));
    assert_eq!(clock.next_boundary_earliest(at(24_500), MINUTE), at(24_500));
}

#[test]
fn what_is_known_fades_by_the_drift() {
    let mut clock = ServerClock::new(1000);
    clock.learn(date(EPOCH, 200), at(1_000), at(1_000));
    assert_eq!(clock.next_boundary_latest(at(1_000), MINUTE), at(25_000));
    // 240 s later, 240 ms less certain.
    assert_eq!(clock.next_boundary_latest(at(241_000), MINUTE), at(265_240));
    assert_eq!(
        clock.next_boundary_earliest(at(241_000), MINUTE),
        at(263_760)
    );
}

#[test]
fn a_long_round_trip_fades_too() {
    let hour = 60 * MINUTE;
    let mut clock = ServerClock::new(1000);
    // Says 15:10:37, somewhere in 100 s; the hour ends 2963 s later by the server's clock.
    clock.learn(date(EPOCH, 1_200), at(1_000), at(101_000));
    assert_eq!(clock.next_boundary_latest(at(101_000), hour), at(3_064_100));
    assert_eq!(
        clock.next_boundary_earliest(at(101_000), hour),
        at(2_962_900)
    );
}

#[test]
fn a_step_of_the_clock_starts_again_from_the_newest_response() {
    let mut clock = ServerClock::new(1000);
    clock.learn(date(EPOCH, 200), at(1_000), at(1_000));
    clock.learn(date(EPOCH, 20_200), at(1_000), at(1_000));
    assert_eq!(clock.next_boundary_latest(at(1_000), MINUTE), at(5_000));
}

#[test]
fn no_moment_and_no_date_panics() {
    for date in [0, 1, 253_402_300_799, u64::MAX] {
        for (departed, arrived) in [
            (Moment::START, Moment::NEVER),
            (Moment::NEVER, Moment::START),
        ] {
            let mut clock = ServerClock::new(u32::MAX);
            clock.learn(Duration::from_secs(date), departed, arrived);
            clock.learn(Duration::from_secs(date), arrived, departed);
            for window in [Duration::ZERO, MINUTE, Duration::MAX] {
                for counted in [Moment::START, Moment::NEVER] {
                    let latest = clock.next_boundary_latest(counted, window);
                    assert!(latest <= counted.after(window));
                    assert!(clock.next_boundary_earliest(counted, window) >= counted);
                }
            }
        }
    }
}

/// A server on a network: its clock runs by `ppm` parts in a million fast, and is stepped once.
#[derive(Clone, Debug)]
struct Server {
    offset: i64,
    ppm: i64,
    step_at: u64,
    step: i64,
}

impl Server {
    /// Its time in nanoseconds, at one of our moments in nanoseconds.
    fn clock(&self, at: u64) -> i128 {
        let at = i128::from(at);
        let step = if at >= i128::from(self.step_at) {
            self.step
        } else {
            0
        };
        i128::from(EPOCH) * MILLION
            + i128::from(self.offset)
            + i128::from(step)
            + at
            + at * i128::from(self.ppm) / MILLION
    }

    /// When, by our moments, the window ends that it counted something in at `counted`.
    fn boundary(&self, counted: u64, window: i128) -> i128 {
        let clock = self.clock(counted);
        let left = window - clock.rem_euclid(window);
        i128::from(counted) + left * MILLION / (MILLION + i128::from(self.ppm))
    }
}

/// A request: how long after the last it departs, how long it takes to the server and back, in nanoseconds.
type Trip = (u64, u64, u64);

fn trips() -> impl Strategy<Value = Vec<Trip>> {
    let ns = 1_000_000_u64;
    let trip = (0..3_000 * ns, ns / 10..400 * ns, ns / 10..400 * ns);
    proptest::collection::vec(trip, 1..60)
}

fn server(step: impl Strategy<Value = i64>) -> impl Strategy<Value = Server> {
    let parts = (
        0..120_000_000_000_i64,
        -900..900_i64,
        0..90_000_000_000_u64,
        step,
    );
    parts.prop_map(|(offset, ppm, step_at, step)| Server {
        offset,
        ppm,
        step_at,
        step,
    })
}

/// Sends `trips`, learns from each response, and compares the answers with the truth.
fn check(server: &Server, trips: &[Trip], window: Duration) -> Result<(), TestCaseError> {
    let mut clock = ServerClock::new(1000);
    let ns = |ns: u64| Moment::START.after(Duration::from_nanos(ns));
    let length = i128::try_from(window.as_nanos()).expect("fits");
    // The drift during the window itself is for the margin.
    let margin = i128::from(server.ppm.abs()) * length / MILLION + 2;
    let mut departed = 0_u64;
    for &(pause, there, back) in trips {
        departed += pause;
        let generated = departed + there;
        let arrived = generated + back;
        if departed < server.step_at && server.step_at <= arrived {
            // Counted before a step and dated after it: nobody can tell.
            continue;
        }
        let date = u64::try_from(server.clock(generated) / SECOND).expect("fits");
        clock.learn(Duration::from_secs(date), ns(departed), ns(arrived));
        let latest = nanos(clock.next_boundary_latest(ns(arrived), window));
        // A clock that is stepped during the window ends it at another time.
        let is_ahead = |counted: u64| {
            let end = server.boundary(counted, length);
            !(counted < server.step_at && i128::from(server.step_at) <= end)
        };
        for counted in [departed, generated, arrived] {
            if is_ahead(counted) {
                let end = server.boundary(counted, length);
                prop_assert!(
                    end <= latest + margin,
                    "counted at {counted}: ends at {end}, said {latest}"
                );
            }
        }
        prop_assert!(latest <= i128::from(arrived) + length);
        if is_ahead(arrived) {
            let earliest = nanos(clock.next_boundary_earliest(ns(arrived), window));
            let end = server.boundary(arrived, length);
            prop_assert!(
                earliest <= end + margin,
                "ends at {end}, said {earliest} at the earliest"
            );
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_window_of_the_server_ends_after_the_latest_or_before_the_earliest_moment(
        server in server(Just(0)),
        trips in trips(),
        window in prop::sample::select(vec![1_u64, 10, 60, 3_600]),
    ) {
        check(&server, &trips, Duration::from_secs(window))?;
    }

    #[test]
    fn a_step_longer_than_a_second_and_a_round_trip_is_seen_at_once(
        server in server(prop_oneof![2_000_000_000..90_000_000_000_i64, -90_000_000_000..-2_000_000_000_i64]),
        trips in trips(),
        window in prop::sample::select(vec![10_u64, 60, 3_600]),
    ) {
        check(&server, &trips, Duration::from_secs(window))?;
    }
}

#[test]
fn a_small_step_is_seen_as_soon_as_a_date_contradicts_what_is_known() {
    let mut clock = ServerClock::new(0);
    let ask = |clock: &mut ServerClock, offset, departed| {
        clock.learn(date(offset, departed + 20), at(departed), at(departed + 40));
    };
    (0..100).for_each(|n| ask(&mut clock, EPOCH, n * 137));
    // 300 ms forward: the true end of the minute from 60 to 120 s is at 83.7 s instead of 84 s.
    (100..200).for_each(|n| ask(&mut clock, EPOCH + 300, n * 137));
    let latest = clock.next_boundary_latest(at(27_400), MINUTE);
    assert!(
        at(83_700) <= latest && latest <= at(83_700).after(50 * MS),
        "{latest:?}"
    );
}
