//! What keeps a soak from being clean.

use crate::soak::report::Report;
use crate::soak::run::GRACE;

/// How long a soak must last before what never happened in it is no longer chance, in seconds.
const TELLING: f64 = 60.0;

/// All that is wrong with a soak.
#[must_use]
pub fn faults(report: &Report) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |wrong: bool, text: String| {
        if wrong {
            faults.push(text);
        }
    };
    fault(
        report.status_429 > 0,
        format!("{} answers 429", report.status_429),
    );
    fault(
        report.peak_offered > report.limit,
        format!(
            "peak {} at a limit of {}",
            report.peak_offered, report.limit
        ),
    );
    fault(
        report.latest_count_ms >= GRACE.as_millis(),
        format!(
            "a request was counted {} ms after it came, against what the client was told: is the machine too busy?",
            report.latest_count_ms
        ),
    );
    fault(
        report.in_flight_at_end > 0 || report.waiting_at_end > 0,
        format!(
            "{} places held and {} requests waiting when all had been given up",
            report.in_flight_at_end, report.waiting_at_end
        ),
    );
    fault(
        report.taken_after_grace > 0,
        format!("{} places never came back", report.taken_after_grace),
    );
    fault(
        report.served_at_once < report.limit,
        format!(
            "{} of the last {} calls were served at once",
            report.served_at_once, report.limit
        ),
    );
    let ended = report.places_answered + report.places_abandoned + report.places_given_back;
    fault(
        report.without.is_none() && report.places_admitted != ended,
        format!(
            "{} places were taken, and {ended} ended",
            report.places_admitted
        ),
    );
    fault(
        report.requests > report.departed,
        format!(
            "{} requests departed, and {} came",
            report.departed, report.requests
        ),
    );
    fault(
        report.share_of_limit < 0.5,
        "less than half of the limit was used".to_owned(),
    );
    fault(
        report.at_work > 0,
        format!("{} requests were still at work", report.at_work),
    );
    fault(
        report.panicked > 0,
        format!("{} callers panicked", report.panicked),
    );
    if report.elapsed_s >= TELLING {
        for what in untried(report) {
            fault(true, format!("no call was {what}"));
        }
    }
    faults
}

/// What was to happen, and never did.
fn untried(report: &Report) -> impl Iterator<Item = &'static str> {
    let endings = &report.endings;
    // Without the layer nobody waits.
    let given_up_waiting = match report.without {
        None => endings.given_up_waiting,
        Some(_) => 1,
    };
    let tried = [
        ("given up while it waited", given_up_waiting),
        ("given up in flight", endings.given_up_in_flight),
        ("given up in its body", endings.given_up_in_body),
        ("dropped by another thread", endings.by_another_thread),
        ("too late", endings.late),
        ("made to a dead port", endings.never_left),
        ("lost and never counted", report.lost_uncounted),
        ("lost and counted late", report.lost_counted_late),
        ("lost and counted", report.lost_counted),
        ("cut", report.cut),
    ];
    tried
        .into_iter()
        .filter_map(|(what, times)| (times == 0).then_some(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::tally::Endings;

    type Spoil = fn(&mut Report);

    fn clean() -> Report {
        Report {
            without: None,
            seed: 7,
            limit: 50,
            window_s: 5.0,
            elapsed_s: 60.0,
            requests: 600,
            status_429: 0,
            peak_in_window: 50,
            peak_offered: 50,
            accepted_per_s: 9.5,
            ideal_per_s: 10.0,
            share_of_limit: 0.95,
            lost_uncounted: 1,
            lost_counted_late: 1,
            lost_counted: 1,
            cut: 1,
            latest_count_ms: 2_000,
            at_work: 0,
            departed: 601,
            panicked: 0,
            cancelled: 3,
            endings: Endings {
                given_up_waiting: 1,
                given_up_in_flight: 1,
                given_up_in_body: 1,
                by_another_thread: 1,
                late: 1,
                never_left: 1,
                ..Endings::default()
            },
            places_admitted: 601,
            places_answered: 590,
            places_abandoned: 10,
            places_given_back: 1,
            in_flight_at_end: 0,
            waiting_at_end: 0,
            taken_after_grace: 0,
            served_at_once: 50,
            clean: true,
            not_clean_because: Vec::new(),
        }
    }

    #[test]
    fn a_soak_in_which_all_was_tried_and_nothing_went_wrong_is_clean() {
        assert_eq!(faults(&clean()), Vec::<String>::new());
    }

    #[test]
    fn each_thing_that_goes_wrong_is_named() {
        let spoil: [(Spoil, &str); 13] = [
            (|r| r.status_429 = 1, "1 answers 429"),
            (|r| r.peak_offered = 51, "peak 51 at a limit of 50"),
            (
                |r| r.latest_count_ms = 3_000,
                "counted 3000 ms after it came",
            ),
            (|r| r.in_flight_at_end = 1, "1 places held"),
            (|r| r.waiting_at_end = 1, "1 requests waiting"),
            (|r| r.taken_after_grace = 1, "1 places never came back"),
            (|r| r.served_at_once = 49, "49 of the last 50 calls"),
            (
                |r| r.places_admitted = 602,
                "602 places were taken, and 601 ended",
            ),
            (|r| r.departed = 599, "599 requests departed, and 600 came"),
            (|r| r.share_of_limit = 0.4, "less than half of the limit"),
            (|r| r.at_work = 1, "1 requests were still at work"),
            (|r| r.panicked = 1, "1 callers panicked"),
            (|r| r.endings.late = 0, "no call was too late"),
        ];
        for (spoil, text) in spoil {
            let mut report = clean();
            spoil(&mut report);
            let faults = faults(&report);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].contains(text), "{faults:?}");
        }
    }

    #[test]
    fn what_a_short_soak_did_not_try_is_chance() {
        let mut report = clean();
        report.elapsed_s = 59.0;
        report.endings = Endings::default();
        report.cut = 0;
        assert_eq!(faults(&report), Vec::<String>::new());
    }
}
