//! One call over all its attempts: what is known of it, and what follows from each outcome.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use call_context::{BoxError, Class, Refusal, Renewed, SlotName};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;

use crate::backoff::full_jitter;
use crate::earlier::Earlier;
use crate::layer::Shared;
use crate::permit::Case;
use crate::proof::Proof;
use crate::{DeadlineExceeded, Exchange, RetryBody, Stop, Verdict, retry_after};

pub(crate) struct Call<R: Body> {
    shared: Arc<Shared>,
    method: Method,
    class: Option<Class>,
    /// Whether the request may be repeated whatever became of the last attempt.
    repeatable: bool,
    /// Whether the peer's HTTP/2 refusals are believed.
    believes_claims: bool,
    deadline: Option<Instant>,
    progress: Progress,
    earlier: Option<Earlier<R>>,
}

/// What the call has used up.
#[derive(Default)]
struct Progress {
    /// Replays so far, of either kind.
    replays: u32,
    /// Replays that counted as attempts.
    retries: u32,
    /// Whether a layer below has refused the call already.
    refused: bool,
    /// Whether the one replay after a 401 has been spent.
    renewed: bool,
    /// What the attempt is that is under way.
    current: Attempt,
}

#[derive(Default)]
enum Attempt {
    /// The first one that may reach the server, after a local refusal perhaps: nothing extra, so nothing to pay for.
    #[default]
    First,
    /// Paid for out of the budget.
    Retry,
    /// With a newer credential of this slot.
    Renewal(Option<SlotName>),
}

/// What follows from an outcome.
pub(crate) enum Step<R: Body> {
    Return(Result<Response<RetryBody<R>>, BoxError>),
    /// Replay the request, and no sooner than then.
    Replay(Instant),
}

impl<R: Body> Call<R> {
    pub(crate) fn new<B>(
        shared: Arc<Shared>,
        request: &Request<B>,
        class: Option<Class>,
        deadline: Option<Instant>,
    ) -> Self {
        let settings = &shared.settings;
        Self {
            repeatable: settings.is_repeatable(request, class.as_ref()),
            believes_claims: settings.trusts_refusals(request.uri()),
            method: request.method().clone(),
            class,
            deadline,
            progress: Progress::default(),
            earlier: None,
            shared,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The number of the attempt that is under way.
    pub(crate) fn attempt(&self) -> u32 {
        self.progress.replays.saturating_add(1)
    }

    pub(crate) fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    fn attempts_left(&self) -> u32 {
        let retries = self.shared.settings.attempts.saturating_sub(1);
        retries.saturating_sub(self.progress.retries)
    }

    /// Whether yet another replay may follow the one that is about to be sent.
    pub(crate) fn may_go_on(&self) -> bool {
        self.attempts_left() > 0 || !self.progress.renewed
    }

    /// Takes note that the replay is sent now.
    pub(crate) fn replaying(&mut self) {
        self.progress.replays = self.progress.replays.saturating_add(1);
        let tally = &self.shared.state.tally;
        match self.progress.current {
            Attempt::Renewal(_) => tally.replay_after_401(),
            Attempt::First | Attempt::Retry => tally.retry(),
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
    pub(crate) fn judge(
        &mut self,
        outcome: Result<Response<R>, BoxError>,
        replayable: bool,
        now: Instant,
    ) -> Step<R> {
        let error = outcome.as_ref().err();
        let proof = error.map_or_else(Proof::default, |error| Proof::of(&**error));
        self.settle(outcome.as_ref().ok(), proof.departed(), now);

        let next = self.next(&outcome, proof, replayable, now);
        let stands = if proof.departed() {
            None
        } else {
            self.earlier.take()
        };
        match next {
            Ok(resume) => {
                let status = outcome.as_ref().ok().map(|r| r.status().as_u16());
                let delay_ms = resume.saturating_duration_since(now).as_millis() as u64;
                tracing::debug!(attempt = self.attempt(), status, delay_ms, "will retry");
                self.earlier = Some(stands.unwrap_or_else(|| Earlier::new(outcome)));
                Step::Replay(resume)
            }
            Err(stop) => {
                if let Some(stop) = stop {
                    self.stopped(stop);
                }
                Step::Return(match stands {
                    Some(earlier) => earlier.into_outcome(),
                    None => outcome.map(|response| response.map(RetryBody::untouched)),
                })
            }
        }
    }

    /// Ends the call at its deadline, with an attempt under way, and returns what stands.
    ///
    /// An earlier response does, where the request may be repeated whatever becomes of this attempt: nobody is misled by not
    /// hearing of it. Elsewhere, as after a 401 that an unkeyed POST met, it would hide that this attempt may have been
    /// processed, and so would an earlier error, which may say that the request never left.
    pub(crate) fn out_of_time(&mut self) -> Result<Response<RetryBody<R>>, BoxError> {
        self.stopped(Stop::Deadline);
        match self.earlier.take() {
            Some(earlier) if self.repeatable && earlier.is_response() => earlier.into_outcome(),
            _ => Err(DeadlineExceeded::during(self.attempt()).into()),
        }
    }

    /// Gives up a replay that could not be sent, and returns what stands.
    pub(crate) fn give_up(
        &mut self,
        stop: Stop,
        now: Instant,
    ) -> Option<Result<Response<RetryBody<R>>, BoxError>> {
        self.settle(None, false, now);
        self.stopped(stop);
        self.earlier.take().map(Earlier::into_outcome)
    }

    pub(crate) fn stopped(&self, stop: Stop) {
        let reason = stop.name();
        tracing::debug!(attempt = self.attempt(), reason, "will not retry");
        self.shared.state.tally.stop(stop);
    }

    fn settle(&mut self, response: Option<&Response<R>>, departed: bool, now: Instant) {
        match std::mem::take(&mut self.progress.current) {
            Attempt::Retry if !departed => self.shared.budget.refund(now),
            Attempt::Renewal(slot)
                if response.is_some_and(|r| r.status() == StatusCode::UNAUTHORIZED) =>
            {
                self.shared.state.renewals.fruitless(slot.as_ref(), now);
            }
            Attempt::First | Attempt::Retry | Attempt::Renewal(_) => {}
        }
    }

    /// When to replay, or why not; `Err(None)` where nobody wants to.
    fn next(
        &mut self,
        outcome: &Result<Response<R>, BoxError>,
        proof: Proof,
        replayable: bool,
        now: Instant,
    ) -> Result<Instant, Option<Stop>> {
        if let Ok(response) = outcome
            && self.wants_renewal(response)
        {
            return self.renew(response, replayable, now).map_err(Some);
        }
        match proof.refusal() {
            Some(Refusal::Permanent) => return Err(Some(Stop::Refused)),
            Some(Refusal::Local) if self.progress.refused => return Err(Some(Stop::Refused)),
            Some(Refusal::Local) => self.progress.refused = true,
            Some(Refusal::Transient) | None => {}
        }
        let (throttled, after) = match self.verdict(outcome) {
            Verdict::Success => {
                self.shared.budget.deposit(now);
                return Err(None);
            }
            Verdict::Final => return Err(None),
            Verdict::Transient { after } => (false, after),
            Verdict::Throttled { after } => (true, after),
        };
        self.retry(outcome, proof, replayable, throttled, after, now)
            .map_err(Some)
    }

    fn verdict(&self, outcome: &Result<Response<R>, BoxError>) -> Verdict {
        let (class, attempt) = (self.class.as_ref(), self.attempt());
        let exchange = match outcome {
            Ok(response) => Exchange::answered(&self.method, class, attempt, response),
            Err(error) => Exchange::failed(&self.method, class, attempt, &**error),
        };
        self.shared.settings.classifier.classify(&exchange)
    }

    fn retry(
        &mut self,
        outcome: &Result<Response<R>, BoxError>,
        proof: Proof,
        replayable: bool,
        throttled: bool,
        after: Duration,
        now: Instant,
    ) -> Result<Instant, Stop> {
        let settings = &self.shared.settings;
        let asked = outcome
            .as_ref()
            .ok()
            .and_then(|response| retry_after::wait(response.headers(), crate::clock::wall));
        let ceiling = settings
            .backoff
            .ceiling(throttled, self.progress.retries.saturating_add(1));
        let case = Case {
            attempts_left: self.attempts_left(),
            safe: self.repeatable || proof.makes_safe(self.believes_claims),
            replayable,
            floor: after.max(asked.unwrap_or_default()),
            longest_floor: settings.longest_retry_after,
            jitter: full_jitter(ceiling, |most| fastrand::u64(..=most)),
            deadline: self.deadline,
        };
        // The budget protects the server. A thousand calls that a queue or a stale token turned away here have cost it
        // nothing, and must not be refused for want of budget either.
        let costs = proof.refusal() != Some(Refusal::Local) || self.earlier.is_some();
        let resume = case.permit(now, || !costs || self.shared.budget.withdraw(now))?;
        self.progress.retries += 1;
        if costs {
            self.progress.current = Attempt::Retry;
        }
        Ok(resume)
    }

    fn wants_renewal(&self, response: &Response<R>) -> bool {
        response.status() == StatusCode::UNAUTHORIZED
            && response.extensions().get::<Renewed>().is_some()
            && !self.progress.renewed
            && self.shared.settings.attempts > 1
    }

    /// A 401 says that the server looked at the credential and at nothing else: no method, delay or budget matters.
    fn renew(
        &mut self,
        response: &Response<R>,
        replayable: bool,
        now: Instant,
    ) -> Result<Instant, Stop> {
        let slot = response.extensions().get::<SlotName>();
        if !replayable {
            return Err(Stop::Body);
        }
        if !self.shared.state.renewals.allows(slot, now) {
            return Err(Stop::Renewals);
        }
        self.progress.renewed = true;
        self.progress.current = Attempt::Renewal(slot.cloned());
        Ok(now)
    }
}
