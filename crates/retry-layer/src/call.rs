//! One call over all its attempts: what is known of it, and what follows from each outcome.

mod next;
mod progress;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use call_context::{BoxError, Class, NeverLeft, Refusal, Remarked};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Body;

use self::progress::{Attempt, Progress};
use crate::earlier::Earlier;
use crate::layer::Shared;
use crate::proof::Proof;
use crate::settings::{ClassIndex, Terms};
use crate::stacked::StackedDeadline;
use crate::{DeadlineExceeded, Facts, RetryBody, RetryError, RetryInfo, Stop};

pub(crate) struct Call<R: Body> {
    shared: Arc<Shared>,
    class: Option<Class>,
    /// Where the class has settings of its own.
    own: Option<ClassIndex>,
    /// Whether the request carries a key that the server honours.
    keyed: bool,
    /// Whether the request may be repeated whatever became of the last attempt.
    repeatable: bool,
    /// Whether the peer's HTTP/2 refusals are believed.
    believes_claims: bool,
    deadline: Option<Instant>,
    progress: Progress,
    earlier: Option<Earlier<R>>,
    /// What the request was, where no copy of it is left.
    kept: Option<Box<(Method, Uri)>>,
    /// Whether another layer judges its outcomes, and this one knows its deadline alone.
    watched: bool,
}

/// What follows from an outcome.
pub(crate) enum Step<R: Body> {
    Return(Result<Response<RetryBody<R>>, BoxError>),
    /// Replay the request, and no sooner than then.
    Replay(Instant),
}

/// What of the request is read once more when its outcome is there.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    /// Whether a replay could be made of what is kept.
    pub(crate) replays: bool,
}

impl<R: Body> Call<R> {
    pub(crate) fn new<B>(
        shared: Arc<Shared>,
        request: &Request<B>,
        class: Option<Class>,
        own: Option<ClassIndex>,
        keyed: bool,
        deadline: Option<Instant>,
    ) -> Self {
        let settings = &shared.settings;
        let terms = settings.terms(own);
        Self {
            keyed,
            repeatable: terms.is_repeatable(request.method(), keyed),
            believes_claims: settings.trusts_refusals(request.uri()),
            class,
            own,
            deadline,
            progress: Progress::default(),
            earlier: None,
            kept: None,
            watched: false,
            shared,
        }
    }

    /// One attempt at a call that another layer may repeat, and that ends at `deadline`.
    pub(crate) fn watched(shared: Arc<Shared>, deadline: Instant) -> Self {
        Self {
            keyed: false,
            repeatable: false,
            believes_claims: false,
            class: None,
            own: None,
            deadline: Some(deadline),
            progress: Progress::default(),
            earlier: None,
            kept: None,
            watched: true,
            shared,
        }
    }

    /// Keeps what must be known of the request that is about to be sent, where no copy of it is left.
    pub(crate) fn keep<B>(&mut self, request: &Request<B>) {
        let kept = (request.method().clone(), request.uri().clone());
        self.kept = Some(Box::new(kept));
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The number of the attempt that is under way.
    pub(crate) fn attempt(&self) -> u32 {
        self.progress.attempt()
    }

    pub(crate) fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    fn terms(&self) -> Terms<'_> {
        self.shared.settings.terms(self.own)
    }

    fn repeats(&self) -> bool {
        self.terms().attempts() > 1
    }

    fn attempts_left(&self) -> u32 {
        self.progress.attempts_left(self.terms().attempts())
    }

    /// Whether yet another replay may follow the one that is about to be sent.
    pub(crate) fn may_go_on(&self) -> bool {
        self.attempts_left() > 0 || !self.progress.renewed
    }

    /// Takes note that the replay is sent now.
    pub(crate) fn replaying(&mut self, now: Instant) {
        let after_401 = self.progress.replaying(now);
        let tally = &self.shared.state.tally;
        if after_401 {
            tally.replay_after_401();
        } else {
            tally.retry();
        }
    }

    /// Whether the outcome that stands has a body whose connection comes free by reading.
    pub(crate) fn reads_ahead(&self) -> bool {
        matches!(self.earlier, Some(Earlier::Ahead(_)))
    }

    /// Reads the outcome that stands ahead, as far as that is any use.
    pub(crate) fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.earlier {
            Some(earlier) => earlier.poll_read_ahead(cx),
            None => Poll::Ready(()),
        }
    }

    /// Decides what follows from `outcome`, and settles the bill of the attempt that had it.
    ///
    /// `copy` is what the replay would be made from, if there is anything.
    pub(crate) fn judge(
        &mut self,
        mut outcome: Result<Response<R>, BoxError>,
        copy: Option<Target<'_>>,
        now: Instant,
    ) -> Step<R> {
        if let Some(told) = StackedDeadline::take(&mut outcome) {
            self.deadline = Some(self.deadline.map_or(told, |known| known.min(told)));
        }
        if self.watched {
            return Step::Return(self.passed_on(outcome));
        }
        let error = outcome.as_ref().err();
        let proof = error.map_or_else(Proof::default, |error| Proof::of(&**error));
        self.settle(outcome.as_ref().ok(), proof, now);
        if !proof.departed() {
            self.progress.stayed();
        }
        if error.is_some_and(|error| DeadlineExceeded::ends(&**error)) && self.repeats() {
            return Step::Return(self.out_of_time());
        }

        // Without a copy there is no replay, and nothing to judge after this.
        let kept = self.kept.take();
        let kept = kept.as_deref().map(|(method, uri)| Target {
            method,
            uri,
            replays: false,
        });
        let target = copy.or(kept).expect("kept where no copy was made");
        let next = self.next(&outcome, target, proof, now);
        let earlier = self.earlier.take();
        // An outcome that replaces nothing is the error of a replay that never left.
        let stands = match (earlier, outcome) {
            (Some(earlier), Err(error)) if earlier.departed() && !proof.departed() => {
                self.progress.turned_away(error);
                Ok(earlier)
            }
            (_, outcome) => Err(outcome),
        };
        match next {
            Ok(resume) => {
                let newest = stands
                    .as_ref()
                    .err()
                    .and_then(|outcome| outcome.as_ref().ok());
                let status = newest.map(|response| response.status().as_u16());
                let delay_ms = resume.saturating_duration_since(now).as_millis() as u64;
                tracing::debug!(attempt = self.attempt(), status, delay_ms, "will retry");
                self.progress.pausing(now);
                let departed = proof.departed();
                self.earlier =
                    Some(stands.unwrap_or_else(|outcome| Earlier::new(outcome, departed)));
                Step::Replay(resume)
            }
            Err(stop) => {
                if let Some(stop) = stop {
                    self.stopped(stop);
                }
                let outcome = match stands {
                    Ok(earlier) => earlier.into_outcome(),
                    Err(outcome) => outcome.map(|response| response.map(RetryBody::untouched)),
                };
                Step::Return(self.informed(outcome, stop))
            }
        }
    }

    /// Hands an attempt's outcome to the layer that judges it, together with the deadline.
    fn passed_on(
        &self,
        outcome: Result<Response<R>, BoxError>,
    ) -> Result<Response<RetryBody<R>>, BoxError> {
        let outcome = outcome.map(|response| response.map(RetryBody::untouched));
        match self.deadline {
            Some(deadline) => StackedDeadline::note(deadline, outcome),
            None => outcome,
        }
    }

    /// Ends the call at its deadline, with an attempt under way, and returns what stands.
    ///
    /// An earlier response does, where the request may be repeated whatever becomes of this attempt: nobody is misled by not
    /// hearing of it. Elsewhere, as after a 401 that an unkeyed POST met, it would hide that this attempt may have been
    /// processed, and so would an earlier error, which may say that the request never left.
    pub(crate) fn out_of_time(&mut self) -> Result<Response<RetryBody<R>>, BoxError> {
        let stop = Stop::Deadline;
        self.stopped(stop);
        match self.earlier.take() {
            Some(earlier) if self.repeatable && earlier.is_response() => {
                self.informed(earlier.into_outcome(), Some(stop))
            }
            _ => {
                let info = self.progress.info(Some(stop));
                Err(DeadlineExceeded::during(info, self.watched).into())
            }
        }
    }

    /// Gives up a replay that could not be sent, because of `error` where there was one, and returns what stands.
    pub(crate) fn give_up(
        &mut self,
        stop: Stop,
        error: Option<BoxError>,
        now: Instant,
    ) -> Option<Result<Response<RetryBody<R>>, BoxError>> {
        if let Some(error) = error {
            self.progress.turned_away(error);
        }
        self.give_back(now);
        self.progress.paused_until(now);
        self.stopped(stop);
        let earlier = self.earlier.take()?;
        Some(self.informed(earlier.into_outcome(), Some(stop)))
    }

    fn stopped(&self, stop: Stop) {
        let (attempt, reason) = (self.attempt(), stop.name());
        self.shared.state.tally.stop(stop);
        match stop {
            // Nothing was wrong with this call: there was too much of it, or of all.
            Stop::Attempts | Stop::Budget if self.repeats() => {
                tracing::info!(attempt, reason, "retries are exhausted");
            }
            _ => tracing::debug!(attempt, reason, "will not retry"),
        }
    }

    /// Adds the call's info to what is returned.
    fn informed(
        &self,
        outcome: Result<Response<RetryBody<R>>, BoxError>,
        stop: Option<Stop>,
    ) -> Result<Response<RetryBody<R>>, BoxError> {
        let info = self.progress.info(stop);
        match outcome {
            Ok(mut response) => {
                // A box and a table: nothing for calls that have nothing to tell. And one attempt of this layer may have been
                // several of another one below, where this one repeats nothing.
                if info != RetryInfo::ONCE {
                    let known = response.extensions().get::<RetryInfo>().is_some();
                    if info.attempts > 1 || !known {
                        response.extensions_mut().insert(info);
                    }
                }
                Ok(response)
            }
            Err(error) => Err(if Self::adds_to(&error, &info) {
                Remarked::new(RetryError::new(info), error).into()
            } else {
                error
            }),
        }
    }

    /// Whether `info` says of `error` what it does not say itself.
    fn adds_to(error: &BoxError, info: &RetryInfo) -> bool {
        if info.attempts > 1 {
            return true;
        }
        match info.stop {
            None => false,
            // It says who refused, why, and what to change. What another mark says is not why there was no replay.
            Some(Stop::Refused) => NeverLeft::find(&**error) != Some(Refusal::Permanent),
            Some(_) => RetryInfo::find(&**error).is_none(),
        }
    }

    /// Gives back what was paid for an attempt that is not sent after all.
    fn give_back(&mut self, now: Instant) {
        if let Attempt::Retry(withdrawal) = std::mem::take(&mut self.progress.current) {
            withdrawal.refund(now);
        }
    }

    fn settle(&mut self, response: Option<&Response<R>>, proof: Proof, now: Instant) {
        match std::mem::take(&mut self.progress.current) {
            Attempt::Retry(withdrawal) if proof.dialled() => withdrawal.found_no_connection(now),
            Attempt::Retry(withdrawal) if !proof.departed() => withdrawal.refund(now),
            Attempt::Renewal(slot)
                if response.is_some_and(|r| r.status() == StatusCode::UNAUTHORIZED) =>
            {
                self.shared.state.renewals.fruitless(slot.as_ref(), now);
            }
            Attempt::First | Attempt::Retry(_) | Attempt::Renewal(_) => {}
        }
    }

    fn facts<'a>(&'a self, target: Target<'a>) -> Facts<'a> {
        Facts::new(target.method, target.uri)
            .class(self.class.as_ref())
            .attempt(self.attempt())
            .keyed(self.keyed)
    }
}
