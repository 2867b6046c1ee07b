//! What a layer has been told, shared by the services that it makes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use call_context::{Class, SlotName};
use http::StatusCode;

use crate::contradictions;
use crate::domain::Domain;
use crate::head::RequestHead;
use crate::lane::Lane;
use crate::limits::Limit;
use crate::quota::MINUTE;
use crate::rule::Rule;
use crate::throttle::{ResponseHead, Throttle};
use crate::window::Window;

/// How many rules a layer may have: one of its own, and others.
pub(crate) const MOST_RULES: usize = 8;

/// The settings of a [`RateLayer`](crate::RateLayer).
#[derive(Clone)]
pub(crate) struct Settings {
    /// Where windows are made.
    pub(crate) domain: Arc<Domain>,
    /// The layer's own, and those that hold besides.
    pub(crate) rules: Vec<Rule>,
    pub(crate) first: Vec<Class>,
    pub(crate) first_if: Option<Arc<FirstIf>>,
    pub(crate) waiting: Waiting,
    pub(crate) queue: usize,
    pub(crate) ready_within: Duration,
    pub(crate) answer_within: Duration,
    pub(crate) longest_pause: Duration,
    pub(crate) classifier: Option<Arc<Classifier>>,
    /// Whether an answer is more to anybody than that it has come.
    pub(crate) reads_responses: bool,
    /// The window that counts all requests, each for one place, where there is just that.
    pub(crate) only: Option<Window>,
    /// What cannot all hold of what has been said so far.
    contradiction: Option<&'static str>,
}

type FirstIf = dyn Fn(&RequestHead<'_>) -> bool + Send + Sync;
type Classifier = dyn Fn(&ResponseHead<'_>) -> Throttle + Send + Sync;

/// Whether, and how long, a request may wait for a place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waiting {
    /// Long enough for a place to be taken and freed twice.
    TwoTurns,
    AtMost(Duration),
    Never,
}

impl Settings {
    pub(crate) fn new(own: Rule) -> Self {
        let mut settings = Self {
            domain: Domain::new(),
            rules: Vec::new(),
            first: Vec::new(),
            first_if: None,
            waiting: Waiting::TwoTurns,
            queue: 1024,
            ready_within: Duration::from_secs(30),
            answer_within: 5 * MINUTE,
            longest_pause: MINUTE,
            classifier: None,
            reads_responses: false,
            only: None,
            contradiction: None,
        };
        settings.add(own);
        settings.check();
        settings
    }

    pub(crate) fn add(&mut self, mut rule: Rule) {
        assert!(
            self.rules.len() < MOST_RULES,
            "a layer has {MOST_RULES} rules at the most: put limits that count the same requests into one, by `Quota::and`"
        );
        for limit in rule.limits.all() {
            self.move_to(limit);
        }
        rule.limits = rule.limits.made_in(&self.domain);
        self.rules.push(rule);
    }

    /// Makes the windows that `limit` needs, where the others are.
    pub(crate) fn made(&mut self, limit: Limit) -> Limit {
        self.move_to(&limit);
        limit.made_in(&self.domain)
    }

    /// Lets windows be made where those of `limit` are, unless there are some elsewhere already.
    fn move_to(&mut self, limit: &Limit) {
        let mut limits = self.rules.iter().flat_map(|rule| rule.limits.all());
        if let Some(domain) = limit.domain()
            && !limits.any(|limit| limit.domain().is_some())
        {
            self.domain = Arc::clone(domain);
        }
    }

    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        self.contradiction
    }

    /// Makes sure that what has been said can all hold, now that nothing more will be.
    ///
    /// A layer may wrap a service for each call: this was found out when the last word was said.
    #[inline]
    pub(crate) fn expect_no_contradiction(&self) {
        if let Some(contradiction) = self.contradiction {
            refuse(contradiction);
        }
    }

    /// Notes what follows from the rules, and that they fit together.
    pub(crate) fn check(&mut self) {
        self.contradiction = contradictions::of(&self.rules);
        self.reads_responses = self.rules.iter().any(|rule| {
            let aligned = |limit: &Limit| limit.quotas().is_some_and(|q| q.are_aligned());
            rule.reads_responses() || rule.limits.all().any(aligned)
        });
        self.only = match (self.rules.as_slice(), &self.first_if) {
            ([rule], None) if self.first.is_empty() => rule.only_window().cloned(),
            _ => None,
        };
        if self.rules.len() > 1 {
            let mut domains = self.rules.iter().flat_map(|rule| rule.limits.all());
            assert!(
                domains.all(|limit| limit.domain().is_none_or(|d| Arc::ptr_eq(d, &self.domain))),
                "a request that takes places in several windows takes all or none, so they must share a lock: make them by \
                 `Window::beside` and `Window::beside_keyed`, or give the layer quotas and let it make the windows"
            );
            assert!(
                !self.a_window_is_shared(),
                "two rules count in the same window, which would count each request twice: give the second rule a window \
                 of its own, or put what both count into one rule"
            );
        }
    }

    /// Whether two rules count in one window.
    fn a_window_is_shared(&self) -> bool {
        let windows = |rule: &'_ Rule| {
            let limits = rule.limits.all();
            limits
                .filter_map(|limit| match limit {
                    Limit::Window(window) => Some(window.name().clone()),
                    _ => None,
                })
                .collect::<Vec<_>>()
        };
        let mut rules = self.rules.iter().enumerate();
        rules.any(|(number, rule)| {
            let own = windows(rule);
            let others = &self.rules[number + 1..];
            others
                .iter()
                .any(|other| windows(other).iter().any(|name| own.contains(name)))
        })
    }

    /// Whether a request of `slot` takes places.
    #[inline]
    pub(crate) fn counts(&self, slot: Option<&SlotName>) -> bool {
        self.only.is_some() || self.has_limit_of(slot)
    }

    fn has_limit_of(&self, slot: Option<&SlotName>) -> bool {
        self.rules.iter().any(|rule| {
            let limit = rule.limits.of(slot);
            matches!(limit, Limit::Window(_) | Limit::Keyed(_))
        })
    }

    pub(crate) fn lane_of(&self, head: &RequestHead<'_>) -> Lane {
        let named = || head.class().is_some_and(|class| self.first.contains(class));
        let chosen = || {
            self.first_if
                .as_ref()
                .is_some_and(|first_if| first_if(head))
        };
        if (!self.first.is_empty() && named()) || chosen() {
            Lane::First
        } else {
            Lane::Rest
        }
    }

    /// Whether a response with this status may say anything to a layer with these settings.
    #[inline]
    pub(crate) fn may_heed(&self, status: StatusCode) -> bool {
        self.reads_responses || self.may_throttle(status)
    }

    /// Whether it may say that the limit is exceeded.
    #[inline]
    pub(crate) fn may_throttle(&self, status: StatusCode) -> bool {
        self.classifier.is_some() || Throttle::is_one(status)
    }

    /// What `head` says about the limit, with a pause no longer than is believed.
    #[inline(never)]
    pub(crate) fn throttle(&self, head: &ResponseHead<'_>) -> Throttle {
        let throttle = match &self.classifier {
            Some(classifier) => classifier(head),
            None => Throttle::by_status(head),
        };
        match throttle {
            Throttle::Ours { retry_after } => Throttle::Ours {
                retry_after: retry_after.map(|pause| pause.min(self.longest_pause)),
            },
            other => other,
        }
    }
}

#[cold]
fn refuse(contradiction: &str) -> ! {
    panic!("{contradiction}");
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("rules", &self.rules)
            .field("first", &self.first)
            .field("waiting", &self.waiting)
            .field("queue", &self.queue)
            .field("ready_within", &self.ready_within)
            .field("answer_within", &self.answer_within)
            .field("longest_pause", &self.longest_pause)
            .finish_non_exhaustive()
    }
}
