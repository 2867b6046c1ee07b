//! What the server answers, part by part.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::time::sleep;

use crate::soak::log::Verdict;
use crate::soak::weather::{Fate, Plan};

/// How many parts the body of an answer has.
const PARTS: u32 = 4;

/// An answer, whose body may break off.
pub type Answer = Response<BoxBody<Bytes, io::Error>>;

/// The answer to a request that met `plan`.
#[must_use]
pub fn answer(verdict: Verdict, plan: Plan) -> Answer {
    let Verdict::Rejected { retry_after } = verdict else {
        return Response::new(body(plan));
    };
    let never: fn(Infallible) -> io::Error = |never| match never {};
    let mut answer = Response::new(Full::from("slow down").map_err(never).boxed());
    *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let seconds = HeaderValue::from(retry_after.as_secs() + 1);
    answer.headers_mut().insert(RETRY_AFTER, seconds);
    answer
}

/// A body that comes in parts, and breaks off half-way where the plan says so.
fn body(plan: Plan) -> BoxBody<Bytes, io::Error> {
    let parts = stream::unfold(0, move |sent| async move {
        if sent == PARTS {
            return None;
        }
        pause(plan.part).await;
        let part = match plan.fate {
            Fate::Cut if sent == PARTS / 2 => Err(io::Error::other("cut")),
            _ => Ok(Frame::data(Bytes::from_static(&[b'.'; 1024]))),
        };
        Some((part, sent + 1))
    });
    BodyExt::boxed(StreamBody::new(parts))
}

/// Sleeps, if there is anything to sleep: a timer of no length still takes a millisecond.
pub async fn pause(length: Duration) {
    if !length.is_zero() {
        sleep(length).await;
    }
}
