//! One exact window per key, and what was counted for each.

use std::{collections::HashMap, time::Duration};

use http::HeaderMap;
use parking_lot::Mutex;

use crate::{
    faults::Faults,
    report::{KeyReport, Report},
    window::{Admission, Count, Peak, Resolution, Window},
};

/// How many requests a server takes, in which time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) limit: usize,
    pub(crate) length: Duration,
    /// Rejected requests take a place too.
    pub(crate) count_rejected: bool,
}

/// What a quota says to a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    pub(crate) admission: Admission,
    pub(crate) limit: usize,
    pub(crate) resets_in: Duration,
}

impl Word {
    /// `X-RateLimit-*`, with the reset as Unix time by the server's clock.
    pub(crate) fn headers(&self, server_now: Duration) -> HeaderMap {
        let remaining = match self.admission {
            Admission::Counted { remaining } => remaining,
            Admission::Rejected { .. } => 0,
        };
        let reset = ceil_seconds(server_now + self.resets_in);
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert("x-ratelimit-limit", self.limit.into());
        headers.insert("x-ratelimit-remaining", remaining.into());
        headers.insert("x-ratelimit-reset", reset.into());
        headers
    }
}

/// Seconds, rounded up.
pub(crate) fn ceil_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// The windows of all keys; labels, not secrets, name them.
pub(crate) struct Quotas {
    length: Duration,
    by_key: Mutex<HashMap<String, Key>>,
}

struct Key {
    window: Window,
    counted: Peak,
    offered: Peak,
    report: KeyReport,
}

impl Key {
    fn new(rule: &Rule) -> Self {
        Self {
            window: Window::new(rule.limit, rule.length),
            counted: Peak::new(rule.length),
            offered: Peak::new(rule.length),
            report: KeyReport::default(),
        }
    }

    fn stamp(&mut self, now: Duration) {
        self.counted.note(now);
        self.report.counted += 1;
    }
}

impl Quotas {
    pub(crate) fn new(length: Duration) -> Self {
        Self {
            length,
            by_key: Mutex::default(),
        }
    }

    /// Counts a request for `key` at the time that `clock` reads under the lock, so that times never go backwards.
    pub(crate) fn admit(
        &self,
        key: &str,
        rule: &Rule,
        clock: impl FnOnce() -> Duration,
        faults: &Faults,
    ) -> Word {
        let mut keys = self.by_key.lock();
        if !keys.contains_key(key) {
            keys.insert(key.into(), Key::new(rule));
        }
        let entry = keys.get_mut(key).expect("inserted above");
        let now = clock();
        entry.window.set_limit(rule.limit);
        entry.report.limit = rule.limit as u64;
        entry.window.set_resolution(if faults.whole_seconds {
            Resolution::WholeSeconds
        } else {
            Resolution::Exact
        });
        let late = !faults.count_late.is_none();
        let count = if late { Count::Later } else { Count::Now };
        let admission = entry.window.admit(now, count);
        entry.offered.note(now);
        match admission {
            Admission::Counted { .. } if late => {}
            Admission::Counted { .. } => entry.stamp(now),
            Admission::Rejected { .. } => {
                entry.report.rejected += 1;
                if rule.count_rejected {
                    entry.window.stamp_rejected(now);
                }
            }
        }
        Word {
            admission,
            limit: rule.limit,
            resets_in: entry.window.resets_in(now),
        }
    }

    /// Gives a request that was admitted under `count_late` its stamp.
    pub(crate) fn stamp(&self, key: &str, clock: impl FnOnce() -> Duration) {
        if let Some(entry) = self.by_key.lock().get_mut(key) {
            let now = clock();
            entry.window.stamp(now);
            entry.stamp(now);
        }
    }

    /// Adds the windows' part; keys in `apart` have a line of their own but are no part of the peak.
    pub(crate) fn complete(&self, report: &mut Report, apart: &str) {
        report.window_ms = u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX);
        for (label, key) in self.by_key.lock().iter() {
            let line = KeyReport {
                peak: key.counted.most() as u64,
                peak_offered: key.offered.most() as u64,
                ..key.report.clone()
            };
            if !label.starts_with(apart) {
                report.peak_in_window = report.peak_in_window.max(line.peak);
                report.peak_offered = report.peak_offered.max(line.peak_offered);
            }
            report.keys.insert(label.clone(), line);
        }
    }
}
