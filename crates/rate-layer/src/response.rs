//! What becomes of a request's places when its outcome is known.

use std::error::Error;

use call_context::{BoxError, NeverLeft};
use http::Response;
use smallvec::SmallVec;

use crate::book::Answer;
use crate::place::Place;
use crate::server::Statements;
use crate::settings::Settings;
use crate::throttle::{ResponseHead, Throttle};

/// Ends the place as the outcome says.
pub(crate) fn settle<R, E>(
    place: Option<Place>,
    mut outcome: Result<Response<R>, E>,
    settings: &Settings,
) -> Result<Response<R>, BoxError>
where
    E: Into<BoxError>,
{
    let Some(place) = place else {
        return outcome.map_err(Into::into);
    };
    if let Ok(response) = &mut outcome {
        answered(place, response, settings);
        return outcome.map_err(Into::into);
    }
    let outcome = outcome.map_err(Into::into);
    if let Err(error) = &outcome {
        failed(place, &**error);
    }
    outcome
}

fn failed(place: Place, error: &(dyn Error + 'static)) {
    if NeverLeft::find(error).is_some() {
        place.give_back();
    } else {
        // Departed and unanswered: dropping it abandons it.
        drop(place);
    }
}

fn answered<R>(place: Place, response: &mut Response<R>, settings: &Settings) {
    if let Throttle::Ours { retry_after } = settings.throttle(response) {
        tracing::warn!(pause = ?retry_after, "the server says that the limit is exceeded");
        place.throttled(retry_after);
    }
    if settings.reads_responses {
        read(place, response, settings);
    } else {
        place.answered();
    }
}

/// Ends the place, and heeds what the response says.
fn read<R>(place: Place, response: &mut Response<R>, settings: &Settings) {
    let head = ResponseHead::of(response);
    let mut stated = SmallVec::<[(u8, Statements); 1]>::new();
    for (number, rule) in (0..).zip(&settings.rules) {
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
        admission: 0,
    };
    let mut charge = place.answered_with(answer);
    for (number, rule) in (0..).zip(&settings.rules) {
        if let Some(cost) = rule.corrected(&head) {
            charge.set_for(|rule| rule == number, cost);
        }
    }
    let later = |number: u8| settings.rules[usize::from(number)].is_charged_later();
    if let Some(charge) = charge.only(later) {
        response.extensions_mut().insert(charge);
    }
}
