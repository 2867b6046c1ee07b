//! The grid at the rates that a debug build plays in a second, through the crate's public face.

use outage::check;
use outage::figures::Figures;
use outage::grid::{self, Row};
use outage::load::LOADS;
use outage::policy::POLICIES;
use outage::run::Run;

fn figures(rows: &[Row], policy: &str, load: &str, rps: u32) -> Figures {
    let row = rows
        .iter()
        .find(|row| (row.policy, row.load, row.rps) == (policy, load, rps));
    row.expect("a row").figures
}

#[test]
fn what_the_page_says_of_an_outage_and_of_single_failures_is_so() {
    let rows = grid::rows(&[3, 10], 7, || ()).expect("all runs");
    // No goal of these rates; the others take longer without optimisation.
    let missed = check::failures(&rows);
    assert_eq!(missed.len(), 6, "{missed:?}");
    assert!(
        missed.iter().all(|missed| missed.ends_with("was not run")),
        "{missed:?}"
    );

    for rps in [3, 10] {
        let attempts = |policy| figures(&rows, policy, "outage", rps).attempts_per_request;
        assert_eq!(attempts("none"), 1.0);
        // Ten that the budget holds, and six that it gains in a minute; no success falls into the outage.
        let most = 1.0 + 16.0 / f64::from(60 * rps);
        let ours = attempts("tollgate");
        assert!(ours > 1.0 && ours <= most + 1e-9, "{rps} a second: {ours}");
        assert!(attempts("tower") > 2.0, "{rps} a second");
        assert!(attempts("reqwest_retry") > 3.9, "{rps} a second");
        for policy in ["tollgate", "none"] {
            assert_eq!(figures(&rows, policy, "outage", rps).success_rate, 0.0);
        }
        // A dial in vain costs a fifth.
        let most = 1.0 + 80.0 / f64::from(60 * rps);
        let dials = figures(&rows, "tollgate", "no_connection", rps).attempts_per_request;
        assert!(
            dials > ours && dials <= most + 1e-9,
            "{rps} a second: {dials}"
        );
        let mended = figures(&rows, "tollgate", "restarts", rps).success_rate;
        let control = figures(&rows, "none", "restarts", rps).success_rate;
        assert!(mended > control + 0.004, "{rps} a second: {mended}");
    }
    for load in ["fail_5", "fail_10", "fail_20"] {
        let control = figures(&rows, "none", load, 10).success_rate;
        for policy in ["tollgate", "tower", "reqwest_retry"] {
            let mended = figures(&rows, policy, load, 10).success_rate;
            assert!(mended > control + 0.03, "{policy}, {load}: {mended}");
        }
    }
}

#[test]
fn the_attempts_that_departed_are_those_of_the_requests() {
    for &policy in POLICIES {
        let load = LOADS[0];
        let log = Run {
            policy,
            load,
            rps: 10,
        }
        .log(7)
        .expect("a run");
        let of_requests: u32 = log.calls().iter().map(|call| call.attempts).sum();
        // The last ones may be under way when no request arrives any more.
        let departed: u32 = (0..200).map(|second| log.departed_in(second)).sum();
        assert_eq!(of_requests, departed, "{policy:?}");
    }
}
