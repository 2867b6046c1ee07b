//! What becomes of a request's places when its outcome is known.

use std::time::{Duration, SystemTime};

use call_context::{BoxError, NeverLeft};
use http::Response;
use http::header::DATE;
use smallvec::SmallVec;

use crate::book::Answer;
use crate::place::Place;
use crate::server::Statements;
use crate::settings::Settings;
use crate::throttle::{ResponseHead, Throttle};

/// Ends the place as the outcome says.
pub(crate) fn settle<R>(
    place: Option<Place>,
    outcome: Result<Response<R>, BoxError>,
    settings: &Settings,
) -> Result<Response<R>, BoxError> {
    let Some(place) = place else {
        return outcome;
    };
    match outcome {
        Ok(response) => Ok(answered(place, response, settings)),
        Err(error) => {
            if NeverLeft::find(&*error).is_some() {
                place.give_back();
            } else {
                // Departed and unanswered: dropping it abandons it.
                drop(place);
            }
            Err(error)
        }
    }
}

fn answered<R>(place: Place, mut response: Response<R>, settings: &Settings) -> Response<R> {
    if let Throttle::Ours { retry_after } = settings.throttle(&response) {
        tracing::warn!(pause = ?retry_after, "the server says that the limit is exceeded");
        place.throttled(retry_after);
    }
    if !settings.reads_responses {
        place.answered();
        return response;
    }
    let head = ResponseHead::of(&response);
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
        date: date_of(&head),
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
    response
}

/// The response's `Date`, since the Unix epoch. One from a cache says when it was first made, and is left out.
fn date_of(head: &ResponseHead<'_>) -> Option<Duration> {
    if head.headers().contains_key(http::header::AGE) {
        return None;
    }
    let date = head.headers().get(DATE)?.to_str().ok()?;
    let date = httpdate::parse_http_date(date.trim()).ok()?;
    date.duration_since(SystemTime::UNIX_EPOCH).ok()
}
