use std::time::Duration;

use proptest::prelude::*;

use crate::lane::Lane;
use crate::moment::Moment;
use crate::quota::{Quota, SECOND};
use crate::server::clock::ServerClock;
use crate::shape::rolling::{Ending, Held, Places};
use crate::shape::sight::Turn;
use crate::shape::terms::Terms;

const MS: Duration = Duration::from_millis(1);

fn at(millis: u64) -> Moment {
    Moment::START.after(Duration::from_millis(millis))
}

/// Three places a second; held for 1010 ms, for 1510 ms after abandonment.
const QUOTA: Quota = Quota::rolling(3, SECOND).grace(Duration::from_millis(500));

/// A window with its terms, and requests of the usual kind.
struct Rolling {
    window: super::Rolling,
    terms: Terms,
    server: ServerClock,
}

impl Rolling {
    fn new(quota: Quota, now: Moment) -> Self {
        let terms = Terms::new(quota);
        Self {
            window: super::Rolling::new(&terms, now),
            terms,
            server: ServerClock::new(0),
        }
    }

    fn admit(&mut self, now: Moment, cost: u32) -> bool {
        self.expire(now);
        let admits = self
            .window
            .has_room(&self.terms, Lane::Rest, Places::of_first(cost));
        if admits {
            self.window.take(Lane::Rest, cost);
        }
        admits
    }

    /// Says when the places free, where that is known in advance.
    fn depart(&mut self, now: Moment, cost: u32) -> Option<Moment> {
        self.window.depart(&self.terms, now, Lane::Rest, cost);
        self.terms.departed(now.max(self.window.seen()))
    }

    /// `free_at` is what [`depart`](Self::depart) said.
    fn end(&mut self, now: Moment, cost: u32, free_at: Option<Moment>, ending: Ending) {
        let after = self.terms.quota.after_departure();
        let departed = free_at
            .zip(after)
            .map(|(free_at, after)| Moment::START.after(free_at.since(Moment::START) - after));
        let held = Held {
            lane: Lane::Rest,
            cost,
            departed,
        };
        self.window
            .end(&self.terms, &self.server, now, held, ending);
    }

    fn turn(&self, now: Moment, places: u64) -> Turn {
        let places = Places {
            of_all: places,
            of_lane: places,
        };
        self.window
            .turn(&self.terms, &self.server, now, Lane::Rest, places)
    }

    fn expire(&mut self, now: Moment) {
        self.window.expire(&self.terms, now);
    }
}

fn admit(rolling: &mut Rolling, now: u64) -> bool {
    rolling.admit(at(now), 1)
}

fn end(rolling: &mut Rolling, now: u64, ending: Ending) {
    rolling.end(at(now), 1, None, ending);
}

#[test]
fn a_place_frees_when_the_window_and_the_margin_have_passed_since_the_headers() {
    let mut rolling = Rolling::new(QUOTA, at(0));
    assert!((0..3).all(|_| admit(&mut rolling, 0)));
    assert!(!admit(&mut rolling, 1_000_000), "in flight for ever");
    end(&mut rolling, 1_000_000, Ending::Answered);
    assert!(!admit(&mut rolling, 1_001_009));
    assert!(admit(&mut rolling, 1_001_010));
    assert!(!admit(&mut rolling, 1_001_010));
}

#[test]
fn an_end_told_with_an_old_time_takes_nobody_elses_place() {
    // Two threads: one reads the clock just before a place frees, the other frees it and takes it, and then the first one
    // gets the lock.
    let quota = Quota::rolling(2, SECOND).counted_within(SECOND);
    let mut rolling = Rolling::new(quota, at(0));
    assert!(rolling.admit(at(0), 1));
    let first = rolling.depart(at(0), 1);
    assert_eq!(first, Some(at(2010)));
    assert!(rolling.admit(at(500), 1));
    let second = rolling.depart(at(500), 1);
    assert!(rolling.admit(at(2010), 1));
    rolling.end(at(2009), 1, first, Ending::NeverLeft);
    assert!(!rolling.admit(at(2010), 1), "one in flight, one closing");
    rolling.end(at(2011), 1, second, Ending::NeverLeft);
    assert!(rolling.admit(at(2011), 1));
}

#[test]
fn a_place_that_never_left_is_free_at_once_and_an_abandoned_one_after_the_grace() {
    let mut rolling = Rolling::new(QUOTA, at(0));
    assert!((0..3).all(|_| admit(&mut rolling, 0)));
    end(&mut rolling, 5, Ending::NeverLeft);
    assert!(admit(&mut rolling, 5));
    end(&mut rolling, 10, Ending::Abandoned);
    end(&mut rolling, 20, Ending::Answered);
    assert!(!admit(&mut rolling, 1_029));
    assert!(
        admit(&mut rolling, 1_030),
        "answered later, and free sooner"
    );
    assert!(!admit(&mut rolling, 1_519));
    assert!(admit(&mut rolling, 1_520));
}

#[test]
fn a_request_takes_all_that_it_costs_or_nothing() {
    let mut rolling = Rolling::new(QUOTA, at(0));
    assert!(!rolling.admit(at(0), 4));
    assert!(rolling.admit(at(0), 2));
    assert!(!rolling.admit(at(0), 2));
    assert_eq!(rolling.window.in_flight(), 2);
}

#[test]
fn a_server_that_is_known_to_count_in_time_frees_places_that_are_still_in_flight() {
    let mut rolling = Rolling::new(QUOTA.counted_within(100 * MS), at(0));
    assert!((0..3).all(|_| admit(&mut rolling, 0)));
    let due = rolling.depart(at(0), 1);
    assert_eq!(due, Some(at(1_110)));
    let prompt = rolling.depart(at(0), 1);
    rolling.end(at(30), 1, prompt, Ending::Answered);
    assert!(!admit(&mut rolling, 1_039));
    assert!(admit(&mut rolling, 1_040), "answered before it was due");
    assert!(!admit(&mut rolling, 1_109));
    assert!(admit(&mut rolling, 1_110), "due, and not answered yet");
    rolling.end(at(1_200), 1, due, Ending::Abandoned);
    assert_eq!(
        (rolling.window.in_flight(), rolling.window.closing()),
        (3, 0)
    );
}

#[test]
fn a_turn_in_sight_is_exact_and_one_beyond_is_not_too_late() {
    let mut rolling = Rolling::new(QUOTA, at(0));
    assert!((0..3).all(|_| admit(&mut rolling, 0)));
    end(&mut rolling, 10, Ending::Answered);
    end(&mut rolling, 20, Ending::Answered);
    for (places, turn, in_sight) in [
        (1, 1_020, true),
        (2, 1_030, true),
        // In flight: answered at once, it frees at 30 + 1010.
        (3, 1_040, false),
        (4, 2_030, false),
        (5, 2_040, false),
        (7, 3_040, false),
    ] {
        let expected = Turn {
            at: at(turn),
            in_sight,
        };
        assert_eq!(rolling.turn(at(30), places), expected, "{places}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Admit(u32),
    /// Departs the request at this position among those that can.
    Depart(usize),
    End(usize, Ending),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ending = prop_oneof![
        4 => Just(Ending::Answered),
        1 => Just(Ending::Abandoned),
        1 => Just(Ending::NeverLeft),
    ];
    let step = prop_oneof![
        // Short ones, and the lengths at which places free.
        3 => (0_u64..300).prop_map(Step::Pass),
        1 => prop::sample::select(vec![999, 1_000, 1_009, 1_010, 1_011, 1_110, 1_509, 1_510]).prop_map(Step::Pass),
        4 => (1_u32..4).prop_map(|cost| Step::Admit(if cost == 3 { 2 } else { 1 })),
        3 => (0_usize..8).prop_map(Step::Depart),
        4 => (0_usize..8, ending).prop_map(|(which, ending)| Step::End(which, ending)),
    ];
    prop::collection::vec(step, 1..200)
}

/// One request, as somebody sees it who knows everything but the moment at which the server counts.
#[derive(Clone, Debug)]
struct Request {
    cost: u32,
    departed: Option<u64>,
    due: Option<Moment>,
    /// The last moment at which the server may count it.
    counted_by: Option<u64>,
    /// When its places free.
    free_at: Option<u64>,
    ended: bool,
}

/// The naive window: a list of everything that ever happened.
struct Naive {
    quota: Quota,
    requests: Vec<Request>,
}

impl Naive {
    fn millis(duration: Duration) -> u64 {
        u64::try_from(duration.as_millis()).expect("short")
    }

    fn taken(&self, now: u64) -> u32 {
        let taken = |request: &&Request| request.free_at.is_none_or(|free_at| free_at > now);
        self.requests.iter().filter(taken).map(|r| r.cost).sum()
    }

    fn admits(&self, now: u64, cost: u32) -> bool {
        self.taken(now) + cost <= self.quota.limit()
    }

    /// The moments at which places free, if those in flight are answered now.
    fn frees(&self, now: u64) -> Vec<u64> {
        let answered = now + Self::millis(self.quota.hold());
        let mut frees: Vec<u64> = self
            .requests
            .iter()
            .filter(|request| request.free_at.is_none_or(|free_at| free_at > now))
            .flat_map(|request| {
                let free_at = match request.free_at {
                    Some(free_at) if request.ended => free_at,
                    Some(free_at) => free_at.min(answered),
                    None => answered,
                };
                std::iter::repeat_n(free_at, request.cost as usize)
            })
            .collect();
        frees.resize(self.quota.limit() as usize, now);
        frees.sort_unstable();
        frees
    }

    /// The most that the server can have counted in any half-open window of `length`: every request whose span, from
    /// departure to the last moment at which it may be counted, touches the window.
    fn worst(&self, length: u64, now: u64) -> u32 {
        let spans: Vec<(u64, u64, u32)> = self
            .requests
            .iter()
            .filter_map(|r| {
                let departed = r.departed?;
                (r.cost > 0).then_some((departed, r.counted_by.unwrap_or(now), r.cost))
            })
            .collect();
        spans
            .iter()
            .map(|&(_, start, _)| {
                spans
                    .iter()
                    .filter(|&&(departed, by, _)| departed < start + length && by >= start)
                    .map(|&(.., cost)| cost)
                    .sum()
            })
            .max()
            .unwrap_or(0)
    }
}

/// Runs `steps` on the window and on the naive one, and checks that they agree and that the server never counts too many.
fn run(quota: Quota, steps: Vec<Step>) {
    let mut rolling = Rolling::new(quota, at(0));
    let mut naive = Naive {
        quota,
        requests: Vec::new(),
    };
    let hold = Naive::millis(quota.hold());
    let abandoned = Naive::millis(quota.after_abandonment());
    let grace = abandoned - hold;
    let mut now = 0;
    for step in steps {
        match step {
            Step::Pass(millis) => now += millis,
            Step::Admit(cost) => {
                let admits = naive.admits(now, cost);
                assert_eq!(rolling.admit(at(now), cost), admits, "at {now}");
                if admits {
                    naive.requests.push(Request {
                        cost,
                        departed: None,
                        due: None,
                        counted_by: None,
                        free_at: None,
                        ended: false,
                    });
                }
            }
            Step::Depart(which) => {
                let mut open = naive
                    .requests
                    .iter_mut()
                    .filter(|r| r.departed.is_none() && !r.ended);
                if let Some(request) = open.nth(which) {
                    request.departed = Some(now);
                    if quota.after_departure().is_some() {
                        request.due = rolling.depart(at(now), request.cost);
                        request.free_at = quota.after_departure().map(|d| now + Naive::millis(d));
                        request.counted_by = request.free_at.map(|free_at| free_at - hold);
                    }
                }
            }
            Step::End(which, ending) => {
                let mut open = naive
                    .requests
                    .iter_mut()
                    .filter(|r| r.departed.is_some() && !r.ended);
                if let Some(request) = open.nth(which) {
                    request.ended = true;
                    rolling.end(at(now), request.cost, request.due, ending);
                    let (by, free_at) = match ending {
                        Ending::Answered => (now, now + hold),
                        Ending::Abandoned => (now + grace, now + abandoned),
                        Ending::NeverLeft => (0, 0),
                    };
                    request.counted_by = Some(request.counted_by.map_or(by, |known| known.min(by)));
                    request.free_at =
                        Some(request.free_at.map_or(free_at, |known| known.min(free_at)));
                    if ending == Ending::NeverLeft {
                        request.departed = None;
                    }
                }
            }
        }
        rolling.expire(at(now));
        assert_eq!(
            rolling.window.in_flight() + rolling.window.closing(),
            naive.taken(now),
            "taken at {now}"
        );
        check_turns(&rolling, &naive, now);
    }
    // A server whose clock is slow by as much as the margin allows sees windows longer by the margin.
    let slow = Naive::millis(quota.window()) + 10;
    assert!(naive.worst(slow, now) <= quota.limit());
}

/// Plays the next rounds through, place by place.
fn check_turns(rolling: &Rolling, naive: &Naive, now: u64) {
    let hold = Naive::millis(naive.quota.hold());
    let mut frees = naive.frees(now);
    for places in 1..=7 {
        frees.sort_unstable();
        let taken = frees[0];
        frees[0] = taken + hold;
        let turn = rolling.turn(at(now), places);
        assert!(
            turn.at <= at(taken),
            "{places} at {now}: {turn:?}, not {taken}"
        );
        if turn.in_sight {
            assert_eq!(turn.at, at(taken), "{places} at {now}");
        }
    }
}

proptest! {
    #[test]
    fn the_server_never_counts_more_than_the_limit_whatever_happens_when(steps in steps()) {
        run(QUOTA, steps);
    }

    #[test]
    fn nor_where_places_free_before_late_headers(steps in steps()) {
        run(QUOTA.counted_within(100 * MS), steps);
    }

    #[test]
    fn with_answers_at_once_a_place_serves_once_every_hold(limit in 1_u32..20, rounds in 1_u64..20) {
        let quota = Quota::rolling(limit, SECOND);
        let mut rolling = Rolling::new(quota, at(0));
        let mut admitted = 0;
        for now in (0..rounds * 1_010).step_by(5) {
            while admit(&mut rolling, now) {
                end(&mut rolling, now, Ending::Answered);
                admitted += 1;
            }
        }
        prop_assert_eq!(admitted, u64::from(limit) * rounds);
    }
}

/// A window told of each answer by itself, as it was once.
fn tell_one_by_one(window: &mut super::Rolling, terms: &Terms, times: &[Moment]) {
    for &at in times {
        if at >= window.seen {
            window.answered_plainly(terms, at, 1);
            continue;
        }
        window.rest.in_flight -= 1;
        let free_at = terms.answered_plainly(at);
        if free_at <= window.seen {
            window.freed = window.freed.wrapping_add(1);
        } else {
            let limit = window.limit;
            window.rest.closing.close(free_at, 1, terms.tick, limit);
        }
    }
}

#[derive(Clone, Debug)]
enum Plain {
    Take(u32),
    /// Answers of one place each, at so long before now each.
    Answers(Vec<u64>),
    AnswerNow(u32),
    Abandon(u32),
    Pass(u64),
    Limit(u32),
}

fn plain_steps() -> impl Strategy<Value = Vec<Plain>> {
    let step = prop_oneof![
        4 => (1_u32..30).prop_map(Plain::Take),
        4 => prop::collection::vec(prop_oneof![0_u64..50, 0_u64..3_000], 0..28).prop_map(Plain::Answers),
        1 => (1_u32..5).prop_map(Plain::AnswerNow),
        1 => (1_u32..5).prop_map(Plain::Abandon),
        4 => prop_oneof![0_u64..50, 0_u64..3_000].prop_map(Plain::Pass),
        1 => (1_u32..60).prop_map(Plain::Limit),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn told_of_many_answers_at_once_a_window_is_as_if_told_of_each(
        steps in plain_steps(),
        limit in 1_u32..60,
        nanos in 1_u64..2_000_000,
    ) {
        let quota = Quota::rolling(limit, SECOND).grace(Duration::from_millis(500));
        let terms = Terms::new(quota);
        let server = ServerClock::new(0);
        let mut sides = [0, 1].map(|_| super::Rolling::new(&terms, Moment::START));
        let mut now = 0_u64;
        let moment = |now: u64| Moment::from_nanos(now.saturating_mul(nanos));
        for step in steps {
            match step {
                Plain::Take(cost) => {
                    let [a, b] = sides.each_mut().map(|side| {
                        side.expire(&terms, moment(now));
                        side.room()
                    });
                    prop_assert!(a >= b, "{a} {b}");
                    if b >= cost {
                        sides.iter_mut().for_each(|side| assert!(side.take_plainly(cost)));
                    }
                }
                Plain::Answers(before) => {
                    let held = sides[0].rest.in_flight as usize;
                    let times: Vec<_> = before.iter().take(held).map(|b| moment(now.saturating_sub(*b))).collect();
                    sides[0].answered_earlier(&terms, &times);
                    tell_one_by_one(&mut sides[1], &terms, &times);
                }
                Plain::AnswerNow(cost) => {
                    if sides[0].rest.in_flight >= cost {
                        sides.iter_mut().for_each(|side| side.answered_plainly(&terms, moment(now), cost));
                    }
                }
                Plain::Abandon(cost) => {
                    if sides[0].rest.in_flight >= cost {
                        let held = Held { lane: Lane::Rest, cost, departed: None };
                        sides.iter_mut().for_each(|side| side.end(&terms, &server, moment(now), held, Ending::Abandoned));
                    }
                }
                Plain::Pass(steps) => now += steps,
                Plain::Limit(limit) => sides.iter_mut().for_each(|side| side.set_limit(limit)),
            }
            prop_assert_eq!(sides[0].rest.in_flight, sides[1].rest.in_flight);
            prop_assert_eq!(sides[0].seen, sides[1].seen);
            // What frees within a tick of now may be told as free by the one and not by the other.
            let slack = sides[1].rest.closing.total() - sides[0].rest.closing.total();
            let soon = sides[1].rest.closing.iter(terms.tick).take_while(|(at, _)| at.since(sides[1].seen) <= Duration::from_nanos(100));
            prop_assert!(slack <= soon.map(|(_, places)| places).sum::<u32>(), "{slack}");
            if slack == 0 {
                prop_assert_eq!(sides[0].freed, sides[1].freed);
                let [a, b] = sides.each_ref().map(|side| side.rest.closing.iter(terms.tick).flat_map(|(at, n)| vec![at; n as usize]).collect::<Vec<_>>());
                prop_assert_eq!(a, b);
            }
            for side in &mut sides {
                side.expire(&terms, moment(now));
                for places in [1, 2, 7, 59, 60, 61, 500, u64::from(u32::MAX) * 3] {
                    let behind = Places { of_all: places, of_lane: places };
                    let turn = side.turn(&terms, &server, moment(now), Lane::Rest, behind);
                    let latest = side.turn_at_the_latest(&terms, moment(now), behind);
                    prop_assert!(turn.at <= latest, "{turn:?} {latest:?}");
                }
            }
        }
    }
}
