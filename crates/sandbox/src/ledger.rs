//! Counts what happens; the report is a copy of it.

use http::StatusCode;
use parking_lot::Mutex;

use crate::{
    faults::End,
    report::{Credential, Report},
    tokens::Verdict,
};

/// The error code of an answer, in its extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code(pub(crate) &'static str);

/// The code of the 429 that is not about a quota.
pub(crate) const COOLDOWN: &str = "COOLDOWN";

/// How one request presented itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) route: &'static str,
    pub(crate) credential: Credential,
    pub(crate) wrong: bool,
    pub(crate) alias: bool,
}

pub(crate) struct Ledger(Mutex<Report>);

impl Ledger {
    pub(crate) fn new(system: &str) -> Self {
        Self(Mutex::new(Report {
            system: system.into(),
            ..Report::default()
        }))
    }

    pub(crate) fn arrived(&self, arrival: Arrival) {
        let mut report = self.0.lock();
        report.requests += 1;
        report.alias_requests += u64::from(arrival.alias);
        report.wrong_credential += u64::from(arrival.wrong);
        *report.credentials.entry(arrival.credential).or_default() += 1;
        if !report.routes.contains_key(arrival.route) {
            report
                .routes
                .insert(arrival.route.into(), Default::default());
        }
        if let Some(by_credential) = report.routes.get_mut(arrival.route) {
            *by_credential.entry(arrival.credential).or_default() += 1;
        }
    }

    pub(crate) fn answered(&self, status: StatusCode, code: Option<Code>) {
        let mut report = self.0.lock();
        *report.statuses.entry(status.as_u16()).or_default() += 1;
        match status.as_u16() {
            401 => report.status_401 += 1,
            403 => report.status_403 += 1,
            429 => {
                report.status_429 += 1;
                match code {
                    Some(Code(COOLDOWN)) => report.cooldown_429 += 1,
                    _ => report.quota_429 += 1,
                }
            }
            500.. => report.status_5xx += 1,
            _ => {}
        }
    }

    /// A credential was refused; `None` if it was absent, of the wrong kind, or unknown.
    pub(crate) fn refused(&self, verdict: Option<Verdict>) {
        let refused = &mut self.0.lock().refused;
        match verdict {
            None => refused.wrong += 1,
            Some(Verdict::Expired) => refused.expired += 1,
            Some(Verdict::ExpiredEarly) => refused.expired_early += 1,
            Some(Verdict::RejectedFresh) => refused.rejected_fresh += 1,
            Some(Verdict::Invalidated) => refused.invalidated += 1,
            Some(Verdict::Good) => {}
        }
    }

    /// A fault has struck.
    pub(crate) fn struck(&self, end: End) {
        let mut report = self.0.lock();
        match end {
            End::Answer => {}
            End::ServerError | End::ServerErrorAfter => report.injected_5xx += 1,
            End::DropBefore => report.dropped.before += 1,
            End::DropDuring => report.dropped.during += 1,
            End::DropAfter => report.dropped.after += 1,
            End::CutBody => report.dropped.cut += 1,
            End::Retire => report.retired += 1,
        }
    }

    /// Somebody asked for a token.
    pub(crate) fn asked_for_token(&self) {
        self.0.lock().token_requests += 1;
    }

    /// What was counted so far; windows, trades and tokens are added by who keeps them.
    pub(crate) fn report(&self) -> Report {
        self.0.lock().clone()
    }
}
