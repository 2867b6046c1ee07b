//! What is to be done with what the store holds: a pure decision.

use std::time::{Duration, SystemTime};

use super::boot::SinceBoot;
use super::record::{Fingerprint, Intent, Record};
use crate::Grant;
use crate::clock::Moment;

/// What a process knows besides the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) now: Moment,
    /// The access token that the slot was last given.
    pub(super) handed: Option<Fingerprint>,
    /// The moment on the machine's own clock.
    pub(super) since_boot: Option<SinceBoot>,
    /// Whether other machines use the store as well.
    pub(super) many_machines: bool,
    /// How long the server is declared to take a used refresh token again.
    pub(super) leeway: Duration,
    /// The intent of this process whose request surely never left, or was refused.
    pub(super) unsent: Option<u64>,
    /// The newest intent of this process, and when it was written by the monotonic clock.
    pub(super) opened: Option<(u64, tokio::time::Instant)>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Next {
    /// Hand out what is stored: the slot has not had it yet.
    Adopt(Grant, Fingerprint),
    /// Ask the source, with this intent standing already where there is one.
    Send(Option<Intent>),
    /// Nobody knows whether the refresh token was used up.
    NeedsHuman(Intent),
}

impl Known {
    /// Decides what is to be done with `record`.
    pub(super) fn decide(&self, record: Option<&Record>) -> Next {
        let Some(record) = record else {
            return Next::Send(None);
        };
        if let Some(adopted) = self.adopt(record) {
            return adopted;
        }
        match record.open_intent() {
            Some(intent) if self.unsent == Some(intent.id) => Next::Send(None),
            Some(intent) if self.within_leeway(&intent) => Next::Send(Some(intent)),
            Some(intent) => Next::NeedsHuman(intent),
            None => Next::Send(None),
        }
    }

    /// Adopts an access token that the slot has not had yet, while enough of its life is left to be worth it.
    pub(super) fn adopt(&self, record: &Record) -> Option<Next> {
        let fingerprint = Fingerprint::of(&record.access_token);
        if self.handed == Some(fingerprint) {
            return None;
        }
        let mut grant = Grant::new(record.access_token.clone());
        if let Some(lifetime) = record.lifetime {
            let left = left(record.obtained, lifetime, self.now.wall);
            if left <= (lifetime / 10).min(Duration::from_secs(1)) {
                return None;
            }
            grant = grant.lifetime(left);
        }
        Some(Next::Adopt(grant, fingerprint))
    }

    /// Whether the server still takes a refresh token that was first sent after `intent` was written down. As elsewhere, the
    /// clock that says "over" wins; a wall clock that was set back to before the intent says nothing, and nothing is not enough. One
    /// that was set back by less is found out by the machine's own clock, as long as the machine was not started anew.
    fn within_leeway(&self, intent: &Intent) -> bool {
        if self.leeway == Duration::MAX {
            return true;
        }
        let by_wall = self.now.wall.duration_since(intent.at);
        let by_mono = match self.opened {
            Some((id, since)) if id == intent.id => self.now.mono.saturating_duration_since(since),
            _ => Duration::ZERO,
        };
        let by_boot = self.age_by_boot(intent);
        by_wall.is_ok_and(|age| age < self.leeway)
            && by_mono < self.leeway
            && by_boot.is_some_and(|age| age < self.leeway)
    }

    /// How old `intent` is at least, by the machine's own clock; `None` where nobody can know.
    fn age_by_boot(&self, intent: &Intent) -> Option<Duration> {
        match (intent.since_boot, self.since_boot) {
            (Some(then), Some(now)) if then.boot == now.boot => now.at.checked_sub(then.at),
            // It is another machine's, whose wall clock is believed; or this one was started anew, and nobody knows how long that took.
            (Some(_), Some(_)) if !self.many_machines => None,
            _ => Some(Duration::ZERO),
        }
    }
}

/// How much of `lifetime` is left at `now`: never more than all of it, whatever the clock says.
fn left(obtained: SystemTime, lifetime: Duration, now: SystemTime) -> Duration {
    let age = now.duration_since(obtained).unwrap_or_default();
    lifetime.saturating_sub(age)
}

#[cfg(test)]
mod tests;
