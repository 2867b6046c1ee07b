//! Whether another attempt follows an outcome.

use std::time::{Duration, Instant};

use call_context::{BoxError, Refusal, Renewed, SlotName};
use http::{Response, StatusCode};
use http_body::Body;

use super::{Attempt, Call, Target};
use crate::backoff::full_jitter;
use crate::budget::Price;
use crate::permit::Case;
use crate::proof::Proof;
use crate::{Exchange, Stop, Verdict, clock, floor};

impl<R: Body> Call<R> {
    /// When to replay, or why not; `Err(None)` where nobody wants to.
    pub(super) fn next(
        &mut self,
        outcome: &Result<Response<R>, BoxError>,
        target: Target<'_>,
        proof: Proof,
        now: Instant,
    ) -> Result<Instant, Option<Stop>> {
        if let Ok(response) = outcome
            && self.wants_renewal(response)
        {
            return self.renew(response, target.replays, now).map_err(Some);
        }
        match proof.refusal() {
            Some(Refusal::Permanent) => return Err(Some(Stop::Refused)),
            Some(Refusal::Local) if self.progress.refused => return Err(Some(Stop::Refused)),
            Some(Refusal::Local) => self.progress.refused = true,
            Some(Refusal::Transient) | None => {}
        }
        let (price, after) = match self.verdict(outcome, target) {
            Verdict::Success => {
                self.shared.budget.reward(target.uri, now);
                return Err(None);
            }
            Verdict::Final => return Err(None),
            Verdict::Transient { after } => (Price::Failure, after),
            Verdict::Throttled { after } => (Price::Throttle, after),
        };
        let floor = outcome.as_ref().map_or(Duration::ZERO, |response| {
            floor::asked(response.headers(), price == Price::Throttle, clock::wall)
        });
        let case = self.case(proof, target.replays, price, after.max(floor));
        self.retry(case, target, proof, price, now).map_err(Some)
    }

    fn verdict(&self, outcome: &Result<Response<R>, BoxError>, target: Target<'_>) -> Verdict {
        let facts = self.facts(target);
        let exchange = match outcome {
            Ok(response) => Exchange::answered(facts, response),
            Err(error) => Exchange::failed(facts, &**error),
        };
        self.terms().classifier().classify(&exchange)
    }

    fn case(&self, proof: Proof, replayable: bool, price: Price, floor: Duration) -> Case {
        let terms = self.terms();
        let retry = self.progress.retries.saturating_add(1);
        let ceiling = terms.backoff().ceiling(price == Price::Throttle, retry);
        Case {
            attempts_left: self.attempts_left(),
            safe: self.repeatable || proof.makes_safe(self.believes_claims),
            replayable,
            floor,
            longest_floor: terms.longest_retry_after(),
            jitter: full_jitter(ceiling, |most| fastrand::u64(..=most)),
            deadline: self.deadline,
        }
    }

    fn retry(
        &mut self,
        case: Case,
        target: Target<'_>,
        proof: Proof,
        price: Price,
        now: Instant,
    ) -> Result<Instant, Stop> {
        // The budget protects the server. A thousand calls that a queue or a stale token turned away here have cost it
        // nothing, and must not be refused for want of budget either.
        let costs = proof.refusal() != Some(Refusal::Local) || self.earlier.is_some();
        let budget = &self.shared.budget;
        let (resume, attempt) = case.permit(now, || {
            if !costs {
                return Some(Attempt::First);
            }
            budget.take(target.uri, price, now).map(Attempt::Retry)
        })?;
        self.progress.retries += 1;
        self.progress.current = attempt;
        Ok(resume)
    }

    fn wants_renewal(&self, response: &Response<R>) -> bool {
        response.status() == StatusCode::UNAUTHORIZED
            && response.extensions().get::<Renewed>().is_some()
            && !self.progress.renewed
            && self.repeats()
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
