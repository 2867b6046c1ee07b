use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::*;
use crate::Secret;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn wall(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + SECOND * u32::try_from(seconds).expect("a small number")
}

fn record(lifetime: Option<Duration>) -> Record {
    Record {
        access_token: "t1".into(),
        obtained: wall(100_000),
        lifetime,
        refresh_token: Some("r1".into()),
        intent: None,
    }
}

/// An intent for `refresh_token` from 100 000 s.
fn intent(refresh_token: &str) -> Intent {
    Intent {
        id: 7,
        refresh_token: Fingerprint::of(&Secret::from(refresh_token)),
        at: wall(100_000),
        since_boot: None,
    }
}

/// A process that has handed out `handed`, at so many seconds by the wall clock.
fn at(seconds: u64, handed: Option<&str>) -> Known {
    Known {
        now: Moment {
            mono: Instant::now(),
            wall: wall(seconds),
        },
        since_boot: None,
        many_machines: false,
        handed: handed.map(|token| Fingerprint::of(&token.into())),
        leeway: Duration::ZERO,
        unsent: None,
        opened: None,
    }
}

/// The lifetime of what is adopted.
fn adopted(known: Known, record: &Record) -> Option<Option<Duration>> {
    match known.decide(Some(record)) {
        Next::Adopt(grant, fingerprint) => {
            assert_eq!(fingerprint, Fingerprint::of(&record.access_token));
            assert!(grant.refresh_token.is_none(), "that stays in the store");
            Some(grant.lifetime)
        }
        _ => None,
    }
}

#[test]
fn a_stored_token_is_adopted_with_what_is_left_of_its_life() {
    for (now, left) in [
        (100_000, Some(3600)),
        (101_000, Some(2600)),
        (103_598, Some(2)),
        // Not worth it: the slot would take it for expired.
        (103_599, None),
        (103_600, None),
        (200_000, None),
        // The clock was set back: it says nothing about the age, and the stated lifetime is the most.
        (96_400, Some(3600)),
        (0, Some(3600)),
    ] {
        let got = adopted(at(now, None), &record(Some(HOUR)));
        let expected = left.map(|left| Some(SECOND * left));
        assert_eq!(got, expected, "at {now}");
    }
}

#[test]
fn a_stored_token_without_a_lifetime_is_adopted_until_a_server_refuses_it() {
    assert_eq!(adopted(at(200_000, None), &record(None)), Some(None));
    assert_eq!(adopted(at(200_000, Some("t1")), &record(None)), None);
}

#[test]
fn what_the_slot_has_had_is_renewed_and_what_it_has_not_is_adopted() {
    let record = record(Some(HOUR));
    assert!(matches!(
        at(100_000, Some("t1")).decide(Some(&record)),
        Next::Send(None)
    ));
    assert!(adopted(at(100_000, Some("t0")), &record).is_some());
    assert!(matches!(at(0, None).decide(None), Next::Send(None)));
}

#[test]
fn an_open_intent_needs_a_human_outside_of_the_leeway() {
    let record = Record {
        intent: Some(intent("r1")),
        ..record(Some(SECOND))
    };
    let minute = SECOND * 60;
    for (leeway, now, sends) in [
        (Duration::ZERO, 100_000, false),
        (Duration::ZERO, 100_010, false),
        (minute, 100_010, true),
        (minute, 100_059, true),
        (minute, 100_060, false),
        (minute, 103_610, false),
        // Set back by an hour, the clock cannot tell.
        (minute, 96_410, false),
        (Duration::MAX, 96_410, true),
        (Duration::MAX, 900_000, true),
    ] {
        let known = Known {
            leeway,
            ..at(now, Some("t1"))
        };
        match known.decide(Some(&record)) {
            Next::Send(standing) => {
                assert!(sends, "{leeway:?} at {now}");
                assert_eq!(standing, record.intent, "the first use counts");
            }
            Next::NeedsHuman(found) => {
                assert!(!sends, "{leeway:?} at {now}");
                assert_eq!(Some(found), record.intent);
            }
            Next::Adopt(..) => panic!("the slot has had it"),
        }
    }
}

#[test]
fn the_monotonic_clock_ends_the_leeway_of_ones_own_intent_too() {
    let record = Record {
        intent: Some(intent("r1")),
        ..record(Some(SECOND))
    };
    let mut known = Known {
        leeway: SECOND * 60,
        ..at(100_010, Some("t1"))
    };
    // The wall clock says ten seconds, and was set back meanwhile.
    for (id, age, sends) in [(7, 59, true), (7, 60, false), (8, 60, true)] {
        known.opened = Some((id, known.now.mono));
        let now = Moment {
            mono: known.now.mono + SECOND * age,
            ..known.now
        };
        let next = Known { now, ..known }.decide(Some(&record));
        assert_eq!(matches!(next, Next::Send(_)), sends, "{id}, {age} s");
    }
}

#[test]
fn an_intent_is_open_for_its_own_refresh_token_alone() {
    let overtaken = Record {
        intent: Some(intent("r0")),
        ..record(Some(SECOND))
    };
    let next = at(100_010, Some("t1")).decide(Some(&overtaken));
    assert!(matches!(next, Next::Send(None)));
}

#[test]
fn an_intent_of_ones_own_that_was_never_sent_is_no_obstacle() {
    let record = Record {
        intent: Some(intent("r1")),
        ..record(Some(SECOND))
    };
    for (unsent, sends) in [(Some(7), true), (Some(8), false)] {
        let known = Known {
            unsent,
            ..at(100_010, Some("t1"))
        };
        let next = known.decide(Some(&record));
        assert_eq!(matches!(next, Next::Send(None)), sends, "{unsent:?}");
    }
}

#[test]
fn a_stored_token_is_adopted_in_spite_of_an_open_intent() {
    let record = Record {
        intent: Some(intent("r1")),
        ..record(Some(HOUR))
    };
    assert!(adopted(at(100_010, None), &record).is_some());
}

#[test]
fn a_wall_clock_that_was_set_back_does_not_stretch_the_leeway_on_a_machine_that_goes_on() {
    let since = |boot: &str, at| SinceBoot {
        boot: Fingerprint::of(&boot.into()),
        at: SECOND * at,
    };
    // By the wall clock, ten seconds have passed.
    for (then, now, many_machines, sends) in [
        (Some(since("a", 500)), Some(since("a", 510)), false, true),
        (Some(since("a", 500)), Some(since("a", 559)), false, true),
        (Some(since("a", 500)), Some(since("a", 560)), false, false),
        (Some(since("a", 500)), Some(since("a", 4_000)), false, false),
        (Some(since("a", 500)), Some(since("a", 4_000)), true, false),
        // It has run backwards: nobody knows.
        (Some(since("a", 500)), Some(since("a", 499)), false, false),
        (Some(since("a", 500)), Some(since("a", 499)), true, false),
        // Started anew; or of another machine.
        (Some(since("a", 500)), Some(since("b", 510)), false, false),
        (Some(since("a", 500)), Some(since("b", 510)), true, true),
        // No such clock, then or now.
        (None, Some(since("a", 510)), false, true),
        (Some(since("a", 500)), None, false, true),
    ] {
        let intent = Intent {
            since_boot: then,
            ..intent("r1")
        };
        let record = Record {
            intent: Some(intent),
            ..record(Some(SECOND))
        };
        let known = Known {
            leeway: SECOND * 60,
            since_boot: now,
            many_machines,
            ..at(100_010, Some("t1"))
        };
        let next = known.decide(Some(&record));
        let context = format!("{then:?} {now:?} {many_machines}");
        assert_eq!(matches!(next, Next::Send(Some(_))), sends, "{context}");
        assert_eq!(matches!(next, Next::NeedsHuman(_)), !sends, "{context}");
        // No leeway needs a clock that has none.
        let always = Known {
            leeway: Duration::MAX,
            ..known
        };
        let next = always.decide(Some(&record));
        assert!(matches!(next, Next::Send(Some(_))), "{context}");
    }
}
