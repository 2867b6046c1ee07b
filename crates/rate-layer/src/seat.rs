//! What one call of a layer holds.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use crate::book::Answer;
use crate::book::waiter::Claim;
use crate::charge::Charge;
use crate::domain::Domain;
use crate::place::Place;
use crate::settings::Settings;
use crate::shape::rolling::Ending;
use crate::tenure::Tenure;
use crate::window::Name;

/// The settings of a call's layer, and the places that the call holds: none at first.
///
/// It is a [`Place`] that finds its windows through the settings, which the call has to keep anyway. Dropped, it gives up what it
/// holds.
#[derive(Debug)]
pub(crate) struct Seat {
    settings: Arc<Settings>,
    /// Where its windows are, if not where the layer's are made.
    elsewhere: Option<Arc<Domain>>,
    tenure: Tenure,
}

impl Seat {
    /// Holds nothing.
    #[inline]
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            elsewhere: None,
            tenure: Tenure::none(),
        }
    }

    #[inline]
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether it holds anything.
    #[inline]
    pub(crate) fn is_taken(&self) -> bool {
        !self.tenure.is_over()
    }

    /// Takes a place of the window that counts all requests, where there is just that and no clock is needed for it.
    #[inline]
    pub(crate) fn take_only(&mut self) -> bool {
        let Some(window) = &self.settings.only else {
            return false;
        };
        let Name::Id(id) = window.name() else {
            return false;
        };
        let domain = window.domain();
        let is_numbered = self.settings.reads_responses;
        let claim = Claim::new(*id, 1);
        let is_admitted = self.tenure.begin_unseen(domain, claim, is_numbered);
        if is_admitted {
            self.elsewhere = self.unless_here(domain);
        }
        is_admitted
    }

    /// Holds what `place` held.
    pub(crate) fn take(&mut self, place: Place) {
        let (domain, tenure) = place.into_parts();
        self.elsewhere = self.unless_here(&domain);
        self.tenure = tenure;
    }

    /// Holds what is held in `domain`.
    pub(crate) fn hold(&mut self, domain: &Arc<Domain>, tenure: Tenure) {
        self.elsewhere = self.unless_here(domain);
        self.tenure = tenure;
    }

    /// Hands over what it holds, to a seat of its own.
    pub(crate) fn take_over(&mut self) -> Self {
        Self {
            settings: Arc::clone(&self.settings),
            elsewhere: self.elsewhere.take(),
            tenure: self.tenure.take(),
        }
    }

    #[inline]
    fn unless_here(&self, domain: &Arc<Domain>) -> Option<Arc<Domain>> {
        (!Arc::ptr_eq(domain, &self.settings.domain)).then(|| Arc::clone(domain))
    }

    /// Notes that the request leaves now, by `call`. Should that panic, what is held goes as what has departed.
    #[inline]
    pub(crate) fn depart_by<F>(&mut self, call: impl FnOnce() -> F) -> F {
        let domain = self.elsewhere.as_ref().unwrap_or(&self.settings.domain);
        self.tenure.depart(domain);
        let lest_it_panics = GivesUp(self);
        let future = call();
        mem::forget(lest_it_panics);
        future
    }

    /// Notes that the response headers have arrived.
    #[inline]
    pub(crate) fn answered(&mut self) {
        let domain = self.elsewhere.as_ref().unwrap_or(&self.settings.domain);
        self.tenure.answered(domain);
    }

    /// Notes that the response headers have arrived, and what they say.
    pub(crate) fn answered_with(&mut self, answer: Answer<'_>) -> Charge {
        let domain = self.elsewhere.as_ref().unwrap_or(&self.settings.domain);
        self.tenure.answered_with(domain, answer)
    }

    /// Has its windows admit nothing for a time that the server has named.
    pub(crate) fn throttled(&self, pause: Option<Duration>) {
        let domain = self.elsewhere.as_ref().unwrap_or(&self.settings.domain);
        self.tenure.throttled(domain, pause);
    }

    /// Notes that the request never reached the wire.
    pub(crate) fn give_back(&mut self) {
        let domain = self.elsewhere.as_ref().unwrap_or(&self.settings.domain);
        self.tenure.end(domain, Ending::NeverLeft);
    }

    /// Takes what [`take_only`](Self::take_only) took back, as if nobody had asked.
    #[cold]
    pub(crate) fn take_back(&mut self) {
        let domain = self.elsewhere.as_ref().unwrap_or(&self.settings.domain);
        self.tenure.take_back(domain);
    }

    /// Ends what it holds, if anything: given back before departure, abandoned after it.
    #[inline]
    pub(crate) fn give_up(&mut self) {
        let domain = self.elsewhere.as_ref().unwrap_or(&self.settings.domain);
        self.tenure.give_up(domain);
    }
}

/// Gives up what is held, unless it is forgotten.
struct GivesUp<'a>(&'a mut Seat);

impl Drop for GivesUp<'_> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

impl Drop for Seat {
    #[inline]
    fn drop(&mut self) {
        self.give_up();
    }
}
