//! The places that one request holds.

use std::mem;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use crate::book::waiter::{Claim, Claims};
use crate::book::{Answer, Holding};
use crate::charge::Charge;
use crate::domain::Domain;
use crate::error::RateError;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shape::rolling::Ending;
use crate::window::Window;

/// The places that one request holds in a [`Window`](crate::Window), from its admission to its end.
///
/// Say when the request [departs](Self::depart), and how it ended. A place that is dropped counts as given back before
/// departure, and as [abandoned](crate::Quota::grace) after it: so a panic, too, leaves the window as it should be.
#[derive(Debug)]
#[must_use = "a place that is dropped is given back"]
pub struct Place {
    domain: Arc<Domain>,
    claims: Claims,
    lane: Lane,
    admission: u64,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Admitted,
    /// On its way; since then, where that makes a difference.
    Departed(Option<Moment>),
    Ended,
}

impl Place {
    /// What has been admitted as the `admission`th.
    #[inline]
    pub(crate) fn new(domain: Arc<Domain>, claims: Claims, lane: Lane, admission: u64) -> Self {
        Self {
            domain,
            claims,
            lane,
            admission,
            stage: Stage::Admitted,
        }
    }

    /// Takes places if they are free, or says in what time they could be had.
    #[inline]
    pub(crate) fn admit(
        domain: &Arc<Domain>,
        mut claims: Claims,
        lane: Lane,
    ) -> Result<Self, RateError> {
        match domain.admit(&mut claims, lane) {
            Ok(admission) => Ok(Self::new(Arc::clone(domain), claims, lane, admission)),
            Err((denied, now)) => Err(RateError::would_wait(denied, now, claims[0].cost)),
        }
    }

    /// Takes one place of `window`, where no clock is needed for it.
    pub(crate) fn admit_unseen(window: &Window) -> Option<Self> {
        let domain = window.domain();
        let mut claim = Claim::new(window.id(), 1);
        let admission = domain.book.with(|book, _| {
            book.admit_unseen(slice::from_mut(&mut claim), Lane::Rest)
                .then(|| book.admissions())
        })?;
        let claims = Claims::from_buf([claim]);
        Some(Self::new(Arc::clone(domain), claims, Lane::Rest, admission))
    }

    /// Notes that the request leaves now. Call it before the first byte can go out.
    #[inline]
    pub fn depart(&mut self) {
        if let Stage::Admitted = self.stage {
            let counts = self.claims.iter().any(|claim| claim.counts_departure);
            let departed = counts.then(|| self.departs_now());
            self.stage = Stage::Departed(departed);
        }
    }

    /// Tells the windows that the request leaves now, and says when that is.
    #[inline(never)]
    fn departs_now(&self) -> Moment {
        let now = self.domain.clock.now();
        let (claims, lane) = (&self.claims, self.lane);
        self.domain
            .book
            .with(|book, _| book.depart(now, claims, lane))
    }

    /// Notes that the response headers have arrived: the window of these places begins.
    #[inline]
    pub fn answered(mut self) {
        self.depart();
        self.end(Ending::Answered);
    }

    /// Notes that the response headers have arrived, and hands back what can set the cost right.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use rate_layer::{MINUTE, Quota, Window};
    ///
    /// // 10 000 tokens a minute; what a request has cost stands in its answer.
    /// let window = Window::new(Quota::rolling(10_000, MINUTE));
    /// let mut place = window.try_admit(NonZeroU32::new(1_000).expect("not zero"))?;
    /// place.depart();
    /// let mut charge = place.charged();
    /// charge.set(1_730);
    /// assert_eq!(window.snapshot().used, 1_730);
    /// # Ok::<(), rate_layer::RateError>(())
    /// ```
    pub fn charged(self) -> Charge {
        self.answered_with(Answer::NOTHING)
    }

    pub(crate) fn answered_with(mut self, mut answer: Answer<'_>) -> Charge {
        self.depart();
        answer.admission = self.admission;
        let departed = self.departed();
        self.stage = Stage::Ended;
        let now = self.domain.clock.now();
        let holding = Holding {
            claims: &self.claims,
            lane: self.lane,
            departed,
        };
        let answered = self
            .domain
            .book
            .with(|book, wakes| book.answered(now, holding, &answer, wakes));
        let claims = mem::take(&mut self.claims);
        Charge::new(&self.domain, claims, self.lane, departed, answered)
    }

    /// Notes that the request never reached the wire: its places are free at once.
    pub fn give_back(mut self) {
        self.end(Ending::NeverLeft);
    }

    /// Has the windows of these places admit nothing for a time that the server has named.
    ///
    /// All of them: the server does not say which of its limits it means.
    pub(crate) fn throttled(&self, pause: Option<Duration>) {
        let now = self.domain.clock.now();
        let until = pause.map(|pause| now.after(pause));
        for claim in &self.claims {
            self.domain
                .book
                .with(|book, wakes| book.throttled(now, claim.id, until, wakes));
        }
    }

    #[inline]
    fn departed(&self) -> Option<Moment> {
        match self.stage {
            Stage::Departed(departed) => departed,
            Stage::Admitted | Stage::Ended => None,
        }
    }

    /// Ends it, once.
    fn end(&mut self, ending: Ending) {
        if let Stage::Ended = self.stage {
            return;
        }
        let holding = Holding {
            claims: &self.claims,
            lane: self.lane,
            departed: self.departed(),
        };
        self.stage = Stage::Ended;
        let now = self.domain.clock.now();
        self.domain
            .book
            .with(|book, wakes| book.end(now, holding, ending, wakes));
    }
}

impl Drop for Place {
    #[inline]
    fn drop(&mut self) {
        match self.stage {
            Stage::Admitted => self.end(Ending::NeverLeft),
            Stage::Departed(_) => self.end(Ending::Abandoned),
            Stage::Ended => {}
        }
    }
}
