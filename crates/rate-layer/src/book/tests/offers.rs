//! Offers that are late.

use super::desk::{Desk, Seen, at};
use crate::lane::Lane;
use crate::quota::{Quota, SECOND};
use crate::shape::rolling::Ending;

const ONE: Quota = Quota::rolling(1, SECOND);

#[test]
fn one_that_looks_late_has_its_offer_if_nobody_has_passed_it_on() {
    let mut desk = Desk::new([ONE]);
    let held = desk.admit(0, Lane::Rest, &[(0, 1)]);
    let only = desk.join(0, Lane::Rest, &[(0, 1)]);
    desk.end(0, Lane::Rest, &held, Ending::NeverLeft);
    // The offer lapsed at 50 ms, and nobody was there to see it.
    assert_eq!(desk.look(60, &only), Seen::Admitted);
    assert_eq!(desk.taken(60, 0), (1, 0));
}

#[test]
fn one_that_looks_after_its_offer_was_passed_on_looks_again_when_a_place_frees() {
    let mut desk = Desk::new([ONE]);
    let held = desk.admit(0, Lane::Rest, &[(0, 1)]);
    let (late, next) = (
        desk.join(0, Lane::Rest, &[(0, 1)]),
        desk.join(0, Lane::Rest, &[(0, 1)]),
    );
    desk.end(0, Lane::Rest, &held, Ending::NeverLeft);
    assert_eq!(desk.look(60, &next), Seen::Admitted);
    let look = desk.look(60, &late);
    assert!(
        matches!(look, Seen::Until(alarm) if alarm <= at(60 + 1_010)),
        "{look:?}"
    );
}
