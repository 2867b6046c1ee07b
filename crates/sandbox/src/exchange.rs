//! One request's way through a server: arrive, be counted, work, answer, and whatever goes wrong between.

use std::{future, future::Future, sync::Arc, time::Duration};

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header::DATE};
use tokio::time;

use crate::{
    answer::{Answer, Rejection, cut, is_short},
    call::Call,
    common::Common,
    faults::{End, Faults},
    ledger::{Arrival, Code},
    socket::Connection,
};

/// What a request that was let in carries on.
pub(crate) struct Pass<C> {
    pub(crate) caller: C,
    /// The quota that waits for a late stamp, by label.
    pub(crate) counted: Option<String>,
    /// Headers for whatever answer it gets.
    pub(crate) headers: HeaderMap,
}

/// A system behind the common way.
pub(crate) trait System: Send + Sync + 'static {
    /// What a route is for.
    type Surface: Copy + Send + Sync + 'static;
    /// Who a request comes from.
    type Caller: Send;

    fn common(&self) -> &Common;

    /// Names the route and the credential that came.
    fn arrival(&self, surface: Self::Surface, call: &Call) -> Arrival;

    /// Checks the credential and counts: the moment that latency lies around.
    fn admit(
        &self,
        surface: Self::Surface,
        call: &Call,
        faults: &Faults,
    ) -> Result<Pass<Self::Caller>, Rejection>;

    /// Does what was asked.
    fn work(
        &self,
        surface: Self::Surface,
        call: &Call,
        caller: &Self::Caller,
    ) -> impl Future<Output = Answer> + Send;

    /// The 5xx of this route.
    fn failure(&self, surface: Self::Surface) -> Answer;
}

/// Answers a request in a task of its own, as servers do: a client that goes away cancels nothing.
pub(crate) async fn exchange<S: System>(
    system: Arc<S>,
    surface: S::Surface,
    request: Request<Body>,
) -> Answer {
    let connection = request
        .extensions()
        .get::<Connection>()
        .cloned()
        .unwrap_or_default();
    let task = tokio::spawn(journey(system, surface, request, connection));
    match task.await {
        Ok(Some(answer)) => answer,
        // The connection goes, and this future with it.
        Ok(None) => future::pending().await,
        Err(_) => status_only(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// `None` if the connection is gone instead.
async fn journey<S: System>(
    system: Arc<S>,
    surface: S::Surface,
    request: Request<Body>,
    connection: Connection,
) -> Option<Answer> {
    let Some(call) = Call::read(request).await else {
        return Some(status_only(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let common = system.common();
    let arrival = system.arrival(surface, &call);
    common.ledger.arrived(arrival);
    let faults = common.faults();
    let drawn = common.draw(&faults);
    let sever = || {
        common.ledger.struck(drawn.end);
        connection.sever(faults.reset);
    };

    if drawn.end == End::DropBefore {
        pause(drawn.before).await;
        sever();
        return None;
    }
    pause(drawn.before).await;

    let mut answer = match system.admit(surface, &call, &faults) {
        Err(refusal) => {
            pause(drawn.after).await;
            *refusal
        }
        Ok(pass) => {
            if drawn.end == End::DropDuring {
                sever();
            }
            pause(drawn.after / 2).await;
            let mut answer = if drawn.end == End::ServerError {
                common.ledger.struck(drawn.end);
                system.failure(surface)
            } else {
                system.work(surface, &call, &pass.caller).await
            };
            if drawn.end == End::ServerErrorAfter {
                common.ledger.struck(drawn.end);
                answer = system.failure(surface);
            }
            pause(drawn.after / 2).await;
            if let Some(late) = drawn.late
                && let Some(label) = pass.counted
            {
                let system = Arc::clone(&system);
                tokio::spawn(async move {
                    pause(late).await;
                    let common = system.common();
                    common.quotas.stamp(&label, || common.clock.now());
                });
            }
            answer.headers_mut().extend(pass.headers);
            match drawn.end {
                End::DropDuring | End::DropAfter => {
                    note(common, &answer);
                    if drawn.end == End::DropAfter {
                        sever();
                    }
                    return None;
                }
                End::CutBody if is_short(&answer) => {
                    common.ledger.struck(drawn.end);
                    cut(answer).await
                }
                End::Retire => {
                    common.ledger.struck(drawn.end);
                    connection.retire();
                    answer
                }
                _ => answer,
            }
        }
    };
    note(common, &answer);
    if faults.clock_offset != 0 {
        let now = std::time::SystemTime::UNIX_EPOCH + common.server_now(&faults);
        if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now)) {
            answer.headers_mut().insert(DATE, date);
        }
    }
    Some(answer)
}

/// Sleeps, if there is anything to sleep: a timer of no length still takes a millisecond.
async fn pause(length: Duration) {
    if !length.is_zero() {
        time::sleep(length).await;
    }
}

fn note(common: &Common, answer: &Answer) {
    let code = answer.extensions().get::<Code>().copied();
    common.ledger.answered(answer.status(), code);
}

fn status_only(status: StatusCode) -> Answer {
    let mut answer = Answer::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_pause_of_no_length_is_over_at_once() {
        assert!(pause(Duration::ZERO).now_or_never().is_some());
        assert!(pause(Duration::from_millis(1)).now_or_never().is_none());
    }
}
