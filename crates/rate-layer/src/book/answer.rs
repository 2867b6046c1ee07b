//! What the server says of its limits, and what follows from it.
//!
//! The window keeps the limit by itself. What the server says can only make it more careful: somebody else may use the same key,
//! or the server may count what this program does not know of. A count of what remains promises nothing, and is old by the
//! time it arrives.

use std::time::Duration;

use crate::book::claims::{self, Share};
use crate::book::limiter::Seeding;
use crate::book::memory::Memory;
use crate::book::waiter::{Claim, Note, Wakes};
use crate::book::{Book, Holding};
use crate::moment::Moment;
use crate::server::{Stated, Statements};
use crate::shape::rolling::Ending;
use crate::shape::terms::Terms;

/// What one response says, as far as it concerns the windows that its request holds places in.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    /// What it states, by the number of the rule that was to listen.
    pub(crate) stated: &'a [(u8, Statements)],
    /// Its `Date`, since the Unix epoch.
    pub(crate) date: Option<Duration>,
    /// Whether the request has had its effect: other answers may come from somebody who does not count.
    pub(crate) success: bool,
    /// Which admission it answers.
    pub(crate) admission: u64,
    /// What the rules of one window have each added, where that is not one rule alone.
    pub(crate) shares: &'a [Share],
}

/// What an answer has changed.
struct Heard {
    /// Whether it is known by this answer alone what the server has counted.
    seeds: bool,
    /// Whether a limit is lower than before.
    lowers: bool,
}

impl Answer<'_> {
    /// Headers have come, and nobody has read them.
    pub(crate) const NOTHING: Self = Self {
        stated: &[],
        date: None,
        success: true,
        admission: 0,
        shares: &[],
    };

    /// What is stated to the rules that `claim` is of.
    fn stated_to(&self, claim: &Claim) -> impl Iterator<Item = &Stated> {
        let shares = self.shares;
        let own = self.stated.iter();
        let own = own.filter(move |(rule, _)| claims::is_of_rule(claim, shares, *rule));
        own.flat_map(|(_, statements)| statements)
    }
}

impl Book {
    /// Notes that headers have come. Says when, which is never before what the windows have seen.
    pub(crate) fn answered(
        &mut self,
        now: Moment,
        holding: Holding<'_>,
        answer: &Answer<'_>,
        wakes: &mut Wakes,
    ) -> Moment {
        let now = self.no_earlier(now, holding.claims);
        if let (Some(date), Some(departed)) = (answer.date, holding.departed) {
            self.learn(date, departed, now, holding.claims);
        }
        self.end_all(now, holding, Ending::Answered);
        for claim in holding.claims {
            if !self.limiters.has(claim.id) {
                continue;
            }
            let heard = self.listen(now, claim, answer, wakes);
            if heard.lowers {
                self.turn_away_the_hopeless(now, claim.id.index, wakes);
            }
        }
        self.tend_freed(now, holding.claims, wakes);
        now
    }

    /// Learns from a response where the clock of its server stands, for each of the windows that go by it.
    fn learn(&mut self, date: Duration, departed: Moment, arrived: Moment, claims: &[Claim]) {
        for claim in claims {
            if let Some(limiter) = self.limiters.at_mut(claim.id)
                && self.groups[limiter.group as usize].terms.are_aligned()
            {
                limiter.memory_mut().learn(date, departed, arrived);
            }
        }
    }

    /// Takes windows to be full of which the first answer was to tell how full they are, and which nobody has read. Says whether
    /// there were some.
    pub(super) fn seed_unheard(
        &mut self,
        now: Moment,
        claims: &[Claim],
        wakes: &mut Wakes,
    ) -> bool {
        let mut seeds = false;
        for claim in claims {
            let limiter = self.limiters.at_mut(claim.id);
            if limiter.is_some_and(|limiter| limiter.seeding != Seeding::Known) {
                seeds |= self.listen(now, claim, &Answer::NOTHING, wakes).seeds;
            }
        }
        seeds
    }

    /// Heeds what is stated of one window.
    fn listen(
        &mut self,
        now: Moment,
        claim: &Claim,
        answer: &Answer<'_>,
        wakes: &mut Wakes,
    ) -> Heard {
        let limiter = &mut self.limiters[claim.id.index];
        let group = &mut self.groups[limiter.group as usize];
        let terms = &group.terms;
        let freed = limiter.tiers.freed().wrapping_sub(claim.freed);
        let adopted_at = limiter
            .memory
            .as_deref()
            .map_or(0, |memory| memory.adopted_at);
        let is_newest = answer.admission > adopted_at;
        let alone = terms.windows().count() == 1;
        for (number, stated) in answer.stated_to(claim).enumerate() {
            let mut windows = terms.windows().zip(limiter.tiers.windows());
            let is_heard =
                windows.any(|(terms, window)| is_about(stated, terms, window.limit(), alone));
            // What a dialect says once, and the one of another rule of this window says as well, is one statement.
            let is_said = || {
                answer
                    .stated_to(claim)
                    .take(number)
                    .any(|one| one == stated)
            };
            if !is_heard && !is_said() {
                group.tally.unheard += 1;
                if group.unheard.is_news(stated) {
                    let Stated { limit, window, .. } = *stated;
                    wakes.note(Note::Unheard { limit, window });
                }
            }
        }
        let (mut told, mut adopted, mut lowers) = (false, false, false);
        let server = Memory::server_of(limiter.memory.as_deref());
        limiter.tiers.for_windows(terms, |terms, window| {
            let before = window.limit();
            let about = |stated: &&Stated| is_about(stated, terms, before, alone);
            let limits = answer.stated_to(claim).filter(about);
            // The lowest of several: they may be about more than this program knows of.
            let lowest = limits.filter_map(|stated| to_adopt(stated, terms)).min();
            if let Some(limit) = lowest.filter(|_| is_newest) {
                adopted = true;
                lowers |= limit < before;
                if limit != before {
                    window.set_limit(limit);
                    wakes.note(Note::Adopted { limit, before });
                }
            }
            for stated in answer.stated_to(claim).filter(about) {
                if let Some(left) = stated.left() {
                    told = true;
                    let left = u32::try_from(left).unwrap_or(u32::MAX);
                    // What has freed since the request was admitted may have been free when the server counted.
                    let known = left.saturating_add(freed);
                    let free_at = free_at(stated.reset, terms.answered(now, server), now);
                    window.concede(terms, window.room().saturating_sub(known), free_at);
                }
            }
        });
        if adopted {
            limiter.memory_mut().adopted_at = answer.admission;
        }
        let seeds = limiter.seeding != Seeding::Known && (told || answer.success);
        if seeds {
            limiter.seeding = Seeding::Known;
            if !told {
                wakes.note(Note::TakenToBeFull);
                limiter.take_to_be_full(terms, now);
            }
        }
        Heard { seeds, lowers }
    }
}

/// Whether `stated` speaks of a window with this `limit`: by its length, else by its limit, else because there is no other.
fn is_about(stated: &Stated, terms: &Terms, limit: u32, alone: bool) -> bool {
    match (stated.window, stated.limit) {
        (Some(length), _) => length == terms.quota.window(),
        (None, Some(stated)) if !alone => stated == u64::from(limit),
        (None, _) => alone,
    }
}

/// The limit that `stated` has one adopt, up to the quota's ceiling, if there is something to adopt.
fn to_adopt(stated: &Stated, terms: &Terms) -> Option<u32> {
    let ceiling = terms.quota.ceiling();
    let limit = u32::try_from(stated.limit?).unwrap_or(u32::MAX);
    // A limit of nothing is a server's way to say something else.
    Some(limit.min(ceiling)).filter(|&limit| limit > 0)
}

/// When what others have taken is free again: as the server says, but no later than what is taken now.
fn free_at(reset: Option<Duration>, taken_now: Moment, now: Moment) -> Moment {
    reset.map_or(taken_now, |reset| now.after(reset).min(taken_now))
}
