//! What becomes of a request's places when its outcome is known.

use std::error::Error;

use call_context::{BoxError, NeverLeft};
use http::{Extensions, Response};
use smallvec::SmallVec;

use crate::book::Answer;
use crate::charge::Charge;
use crate::seat::Seat;
use crate::server::Statements;
use crate::throttle::{ResponseHead, Throttle};

/// Ends what is held as the outcome says.
#[inline]
pub(crate) fn settle<R>(seat: &mut Seat, outcome: &mut Result<Response<R>, BoxError>) {
    if seat.is_taken() {
        match outcome {
            Ok(response) => answered(seat, response),
            Err(error) => failed(seat, &**error),
        }
    }
}

fn failed(seat: &mut Seat, error: &(dyn Error + 'static)) {
    if NeverLeft::find(error).is_some() {
        seat.give_back();
    } else {
        // Departed and unanswered: that abandons it.
        seat.give_up();
    }
}

#[inline]
fn answered<R>(seat: &mut Seat, response: &mut Response<R>) {
    if seat.settings().may_throttle(response.status()) {
        heed(seat, &ResponseHead::of(response));
    }
    if seat.settings().reads_responses {
        read(seat, response);
    } else {
        seat.answered();
    }
}

/// Pauses the windows, where that is what the response asks for.
#[inline(never)]
fn heed(seat: &mut Seat, head: &ResponseHead<'_>) {
    if let Throttle::Ours { retry_after } = seat.settings().throttle(head) {
        tracing::warn!(pause = ?retry_after, "the server says that the limit is exceeded");
        seat.throttled(retry_after);
    }
}

/// Leaves `charge` in the extensions of a response, with that of the layers inside, if there is one.
fn charge_in(extensions: &mut Extensions, charge: Charge) {
    let charge = match extensions.remove::<Charge>() {
        Some(inner) => charge.around(inner),
        None => charge,
    };
    extensions.insert(charge);
}

/// Ends the place, and heeds what the response says.
#[inline(never)]
fn read<R>(seat: &mut Seat, response: &mut Response<R>) {
    let head = ResponseHead::of(response);
    let mut stated = SmallVec::<[(u8, Statements); 1]>::new();
    for (number, rule) in (0..).zip(&seat.settings().rules) {
        if let Some(dialect) = rule.dialect() {
            let mut statements = Statements::new();
            dialect.read(&head, &mut statements);
            stated.push((number, statements));
        }
    }
    let answer = Answer {
        stated: &stated,
        // One from a cache says when it was first made.
        date: head.date().filter(|_| !head.is_cached()),
        success: head.status().is_success(),
        // What is held says so.
        admission: 0,
        shares: &[],
    };
    let mut charge = seat.answered_with(answer);
    let rules = &seat.settings().rules;
    let corrected = (0..).zip(rules).filter_map(|(number, rule)| {
        let cost = rule.corrected(&head)?;
        Some((number, cost))
    });
    // All before any is set, and set at once: nobody is to slip in between what one gives back and another takes.
    let corrected: SmallVec<[(u8, u32); 1]> = corrected.collect();
    if !corrected.is_empty() {
        charge.set_by(|rule| {
            let mut told = corrected.iter();
            told.find(|told| told.0 == rule).map(|told| told.1)
        });
    }
    let later = |number: u8| rules[usize::from(number)].is_charged_later();
    if let Some(charge) = charge.only(later) {
        charge_in(response.extensions_mut(), charge);
    }
}
