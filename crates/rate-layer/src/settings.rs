//! What a layer has been told, shared by the services that it makes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Response;

use crate::limits::{Limit, Limits};
use crate::quota::MINUTE;
use crate::throttle::{ResponseHead, Throttle};

/// The settings of a [`RateLayer`](crate::RateLayer).
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) waiting: Waiting,
    pub(crate) queue: usize,
    pub(crate) ready_within: Duration,
    pub(crate) answer_within: Duration,
    pub(crate) longest_pause: Duration,
    pub(crate) classifier: Classifier,
}

/// Whether, and how long, a request may wait for a place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waiting {
    /// Long enough for a place to be taken and freed twice.
    TwoTurns,
    AtMost(Duration),
    Never,
}

#[derive(Clone)]
pub(crate) struct Classifier(pub(crate) Arc<dyn Fn(&ResponseHead<'_>) -> Throttle + Send + Sync>);

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Classifier")
    }
}

impl Settings {
    pub(crate) fn new(otherwise: Limit) -> Self {
        Self {
            limits: Limits::new(otherwise),
            waiting: Waiting::TwoTurns,
            queue: 1024,
            ready_within: Duration::from_secs(30),
            answer_within: 5 * MINUTE,
            longest_pause: MINUTE,
            classifier: Classifier(Arc::new(Throttle::by_status)),
        }
    }

    /// What `response` says about the limit, with a pause no longer than is believed.
    pub(crate) fn throttle<B>(&self, response: &Response<B>) -> Throttle {
        match (self.classifier.0)(&ResponseHead::of(response)) {
            Throttle::Ours { retry_after } => Throttle::Ours {
                retry_after: retry_after.map(|pause| pause.min(self.longest_pause)),
            },
            other => other,
        }
    }
}
