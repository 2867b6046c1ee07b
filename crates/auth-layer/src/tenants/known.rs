//! The tenants that are known, and which of them make room for others. Nothing of the user's is run or dropped here.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::Tenant;
use crate::TokenSlot;
use crate::token::Forgettable;

/// How many tenants are looked at for room, when a new one is met.
const LOOKS: usize = 32;

/// All tenants are taken, and none of those that were looked at can be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

pub(super) struct Bounds {
    pub(super) most: usize,
    pub(super) idle: Duration,
}

#[derive(Default)]
pub(super) struct Known {
    slots: HashMap<Tenant, Entry>,
    /// All tenants, the one that is looked at next in front.
    round: VecDeque<Tenant>,
}

pub(super) struct Entry {
    slot: TokenSlot,
    used: Instant,
    /// Whether it was used since it was last looked at.
    touched: bool,
}

/// One that may make room, if its source has nothing against it.
struct Candidate {
    tenant: Tenant,
    used: Instant,
    idle: bool,
    slot: Forgettable,
}

/// What a look has found.
pub(super) struct Looked {
    /// Those that are idle; and where there is no room, one that was not used since the last look.
    first: Vec<Candidate>,
    /// Those that make room where none of the first does.
    others: Vec<Candidate>,
    is_full: bool,
}

/// Those whose sources have nothing against it.
pub(super) struct Room {
    candidates: Vec<Candidate>,
    /// Whether there is no room, and nobody who would make some.
    pub(super) is_full: bool,
}

impl Known {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The slot of a tenant that is known. Does not count as a use.
    pub(super) fn peek(&self, tenant: &Tenant) -> Option<TokenSlot> {
        self.slots.get(tenant).map(|entry| entry.slot.clone())
    }

    /// The slot of a tenant that is known, for a use.
    pub(super) fn get(&mut self, tenant: &Tenant, now: Instant) -> Option<TokenSlot> {
        let entry = self.slots.get_mut(tenant)?;
        entry.used = now;
        entry.touched = true;
        Some(entry.slot.clone())
    }

    /// Looks at a few tenants: which of them may go. Those are the idle ones, and one more where its room is needed: one that was
    /// not used since the last look, or else the one of them that was used least lately.
    pub(super) fn look(&mut self, now: Instant, bounds: &Bounds) -> Looked {
        let is_full = self.slots.len() >= bounds.most;
        let (mut first, mut others) = (Vec::new(), Vec::new());
        for _ in 0..LOOKS.min(self.round.len()) {
            let Some(tenant) = self.round.pop_front() else {
                break;
            };
            self.round.push_back(tenant.clone());
            let Some(entry) = self.slots.get_mut(&tenant) else {
                continue;
            };
            let idle = now.saturating_duration_since(entry.used) >= bounds.idle;
            let room_is_needed = is_full && first.is_empty();
            let may_go = idle || (room_is_needed && !std::mem::take(&mut entry.touched));
            if !may_go && !is_full {
                continue;
            }
            let Some(slot) = entry.slot.can_be_forgotten(now, idle) else {
                continue;
            };
            let used = entry.used;
            let candidates = if may_go { &mut first } else { &mut others };
            candidates.push(Candidate {
                tenant,
                used,
                idle,
                slot,
            });
        }
        others.sort_by_key(|candidate| candidate.used);
        Looked {
            first,
            others,
            is_full,
        }
    }

    /// Forgets those of `room` that still can be: all that are idle, and one more where its room is needed.
    pub(super) fn make_room(
        &mut self,
        room: Room,
        now: Instant,
        most: usize,
        forgotten: &mut Vec<Entry>,
    ) {
        for candidate in room.candidates {
            let Some(entry) = self.slots.get(&candidate.tenant) else {
                continue;
            };
            let is_needed = self.slots.len() >= most;
            let is_unused = entry.used == candidate.used;
            let can_be = entry.slot.can_be_forgotten(now, candidate.idle).is_some();
            if (candidate.idle || is_needed)
                && is_unused
                && can_be
                && entry.slot.is_still(&candidate.slot)
            {
                forgotten.extend(self.slots.remove(&candidate.tenant));
                // It was looked at last, so it is near the end.
                let at = self.round.iter().rposition(|t| *t == candidate.tenant);
                at.and_then(|at| self.round.remove(at));
            }
        }
    }

    pub(super) fn add(
        &mut self,
        tenant: Tenant,
        slot: &TokenSlot,
        now: Instant,
        most: usize,
    ) -> Result<TokenSlot, Full> {
        if self.slots.len() >= most {
            return Err(Full);
        }
        let entry = Entry {
            slot: slot.clone(),
            used: now,
            touched: true,
        };
        self.slots.insert(tenant.clone(), entry);
        self.round.push_back(tenant);
        Ok(slot.clone())
    }
}

impl Looked {
    /// Asks the sources, without any lock.
    pub(super) fn ask(self) -> Room {
        let may_go = |candidate: &Candidate| candidate.slot.ask_source();
        let mut candidates: Vec<_> = self.first.into_iter().filter(may_go).collect();
        if self.is_full && candidates.is_empty() {
            candidates.extend(self.others.into_iter().find(may_go));
        }
        Room {
            is_full: self.is_full && candidates.is_empty(),
            candidates,
        }
    }
}
