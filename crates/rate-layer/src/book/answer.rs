//! What the server says of its limits, and what follows from it.
//!
//! The window keeps the limit by itself. What the server says can only make it more careful: somebody else may use the same key,
//! or the server may count what this program does not know of. A count of what remains promises nothing, and is old by the
//! time it arrives.

use std::time::Duration;

use crate::book::limiter::Seeding;
use crate::book::memory::Memory;
use crate::book::waiter::{Claim, Note, Wakes};
use crate::book::{Book, Holding};
use crate::moment::Moment;
use crate::server::{Stated, Statements};
use crate::shape::rolling::{Ending, Rolling};
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
    };
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
        let stated = answer.stated.iter().find(|(rule, _)| *rule == claim.rule);
        let stated = stated.map_or(&[][..], |(_, statements)| statements.as_slice());
        let memory = limiter.memory.as_deref();
        let adopted_at = memory.map_or(0, |memory| memory.adopted_at);
        let is_newest = answer.admission > adopted_at;
        let alone = terms.windows().count() == 1;
        let (mut told, mut adopted, mut lowers) = (false, false, false);
        // A bit for each statement.
        let mut heard = 0_u8;
        let server = Memory::server_of(memory);
        limiter.tiers.for_windows(terms, |terms, window| {
            for (number, stated) in stated.iter().enumerate() {
                if !is_about(stated, terms, window, alone) {
                    continue;
                }
                heard |= 1 << number;
                let before = window.limit();
                if is_newest && adopt(stated, terms, window) {
                    adopted = true;
                    lowers |= window.limit() < before;
                    if window.limit() != before {
                        let limit = window.limit();
                        wakes.note(Note::Adopted { limit, before });
                    }
                }
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
        for (number, stated) in stated.iter().enumerate() {
            if heard & (1 << number) == 0 {
                group.tally.unheard += 1;
                if group.unheard.is_news(stated) {
                    let Stated { limit, window, .. } = *stated;
                    wakes.note(Note::Unheard { limit, window });
                }
            }
        }
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

/// Whether `stated` speaks of this window: by its length, else by its limit, else because there is no other.
fn is_about(stated: &Stated, terms: &Terms, window: &Rolling, alone: bool) -> bool {
    match (stated.window, stated.limit) {
        (Some(length), _) => length == terms.quota.window(),
        (None, Some(limit)) if !alone => limit == u64::from(window.limit()),
        (None, _) => alone,
    }
}

/// Sets the limit to what the server states, up to the quota's ceiling. Says whether there was something to adopt.
fn adopt(stated: &Stated, terms: &Terms, window: &mut Rolling) -> bool {
    let ceiling = terms.quota.ceiling();
    let Some(limit) = stated.limit.filter(|_| ceiling > 0) else {
        return false;
    };
    let limit = u32::try_from(limit).unwrap_or(u32::MAX).min(ceiling);
    // A limit of nothing is a server's way to say something else.
    if limit == 0 {
        return false;
    }
    if limit != window.limit() {
        window.set_limit(limit);
    }
    true
}

/// When what others have taken is free again: as the server says, but no later than what is taken now.
fn free_at(reset: Option<Duration>, taken_now: Moment, now: Moment) -> Moment {
    reset.map_or(taken_now, |reset| now.after(reset).min(taken_now))
}
