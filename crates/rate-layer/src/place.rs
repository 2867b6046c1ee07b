//! The places that one request holds.

use std::slice;
use std::sync::Arc;

use crate::book::Answer;
use crate::book::outcome::Granted;
use crate::book::waiter::{Claim, Wakes};
use crate::charge::Charge;
use crate::domain::Domain;
use crate::error::RateError;
use crate::lane::Lane;
use crate::shape::rolling::Ending;
use crate::tenure::Tenure;

/// The places that one request holds in a [`Window`](crate::Window), from its admission to its end.
///
/// Say when the request [departs](Self::depart), and how it ended. A place that is dropped counts as given back before
/// departure, and as [abandoned](crate::Quota::grace) after it: so a panic, too, leaves the window as it should be.
#[derive(Debug)]
#[must_use = "a place that is dropped is given back"]
pub struct Place {
    domain: Arc<Domain>,
    tenure: Tenure,
}

impl Place {
    #[inline]
    pub(crate) fn new(domain: Arc<Domain>, tenure: Tenure) -> Self {
        Self { domain, tenure }
    }

    /// Takes what `claim` wants if it is free, or says in what time it could be had.
    #[inline(always)]
    pub(crate) fn admit(domain: &Arc<Domain>, claim: Claim, lane: Lane) -> Result<Self, RateError> {
        let admitted = if domain.take_in_hand(claim, lane) {
            Ok(Granted::IN_HAND)
        } else {
            domain.admit_one(claim, lane)
        };
        match admitted {
            Ok(granted) => {
                let tenure = Tenure::of_one(granted.held(claim), lane, granted.admission);
                Ok(Self::new(Arc::clone(domain), tenure))
            }
            Err((denied, now)) => Err(RateError::would_wait(denied, now, claim.cost)),
        }
    }

    /// Hands out what it holds, and where.
    pub(crate) fn into_parts(mut self) -> (Arc<Domain>, Tenure) {
        (Arc::clone(&self.domain), self.tenure.take())
    }

    /// Takes places in the window of `key`, which is made if it must be.
    #[inline(never)]
    pub(crate) fn admit_by_key(
        domain: &Arc<Domain>,
        group: u32,
        key: &[u8],
        cost: u32,
    ) -> Result<Self, RateError> {
        let (now, lane) = (domain.clock.now(), Lane::Rest);
        let mut wakes = Wakes::default();
        let admitted = domain.book.with_later(&mut wakes, |book, wakes| {
            let id = book.window_of(now, group, key, &[])?;
            let mut claim = Claim::new(id, cost);
            book.admit(now, slice::from_mut(&mut claim), lane, wakes)?;
            Ok((claim, book.admissions()))
        });
        let place = match admitted {
            Ok((claim, admission)) => {
                let tenure = Tenure::of_one(claim, lane, admission);
                Ok(Self::new(Arc::clone(domain), tenure))
            }
            Err(denied) => Err(RateError::would_wait(denied, now, cost)),
        };
        // Should a waker panic, it is given back.
        wakes.fire();
        place
    }

    /// Notes that the request leaves now. Call it before the first byte can go out.
    #[inline(always)]
    pub fn depart(&mut self) {
        self.tenure.depart(&self.domain);
    }

    /// Notes that the response headers have arrived: the window of these places begins.
    #[inline(always)]
    pub fn answered(mut self) {
        self.tenure.answered(&self.domain);
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
    pub fn charged(mut self) -> Charge {
        self.tenure.answered_with(&self.domain, Answer::NOTHING)
    }

    /// Notes that the request never reached the wire: its places are free at once.
    pub fn give_back(mut self) {
        self.tenure.end(&self.domain, Ending::NeverLeft);
    }
}

impl Drop for Place {
    #[inline(always)]
    fn drop(&mut self) {
        self.tenure.give_up(&self.domain);
    }
}
