//! The tenants that are known, within their bounds.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use call_context::SlotName;
use http::Request;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Tenant, Tenants};
use crate::TokenSlot;
use crate::clock::Clock;
use crate::events::Hub;
use crate::secret::Scheme;
use crate::token::Timing;

/// How many tenants are looked at for room, when a new one is met.
const LOOKS: usize = 32;

/// All tenants are taken, and none of those that were looked at can be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The tenants of one slot, and what their tokens are made with.
pub(crate) struct Table {
    name: SlotName,
    scheme: Scheme,
    /// For sources with a client of their own, and for those that go through a stack.
    timing: [Timing; 2],
    clock: Clock,
    hub: Arc<Hub>,
    tenants: Tenants,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    slots: HashMap<Tenant, Entry>,
    /// All tenants, the one that is looked at next in front.
    round: VecDeque<Tenant>,
}

struct Entry {
    slot: TokenSlot,
    used: Instant,
    /// Whether it was used since it was last looked at.
    touched: bool,
}

impl Table {
    pub(crate) fn new(
        name: SlotName,
        scheme: Scheme,
        timing: [Timing; 2],
        clock: Clock,
        hub: Arc<Hub>,
        tenants: Tenants,
    ) -> Self {
        Self {
            name,
            scheme,
            timing,
            clock,
            hub,
            tenants,
            known: Mutex::default(),
        }
    }

    /// Whether `slot` is the name of a tenant of this table.
    pub(crate) fn has(&self, slot: &SlotName) -> bool {
        let rest = slot.as_str().strip_prefix(self.name.as_str());
        rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// The tenant that `request` is sent for.
    pub(crate) fn tenant_of<B>(&self, request: &Request<B>) -> Option<Tenant> {
        (self.tenants.tenant)(request.headers(), request.extensions())
    }

    /// The slot of a tenant that is known. Does not count as a use.
    pub(crate) fn get(&self, tenant: &str) -> Option<TokenSlot> {
        let known = self.known.lock();
        let entry = known.slots.get(&Tenant::from(tenant))?;
        Some(entry.slot.clone())
    }

    /// How many tenants are known.
    pub(crate) fn len(&self) -> usize {
        self.known.lock().slots.len()
    }

    /// The slot of `tenant`, made where there is none and there is room.
    pub(crate) fn slot(&self, tenant: Tenant) -> Result<TokenSlot, Full> {
        let now = self.clock.now().mono;
        let mut known = self.known.lock();
        if let Some(entry) = known.slots.get_mut(&tenant) {
            entry.used = now;
            entry.touched = true;
            return Ok(entry.slot.clone());
        }
        let mut forgotten = Vec::new();
        self.make_room(&mut known, now, &mut forgotten);
        let slot = if known.slots.len() < self.tenants.most.get() {
            let slot = self.make(&tenant);
            let entry = Entry {
                slot: slot.clone(),
                used: now,
                touched: true,
            };
            known.slots.insert(tenant.clone(), entry);
            known.round.push_back(tenant);
            Ok(slot)
        } else {
            Err(Full)
        };
        // Sources are the user's: they are dropped where they cannot come back into this lock.
        drop(known);
        drop(forgotten);
        slot
    }

    fn make(&self, tenant: &Tenant) -> TokenSlot {
        let source = (self.tenants.source)(tenant);
        let [direct, queued] = self.timing;
        let timing = match source.through() {
            Some(_) => queued,
            None => direct,
        };
        TokenSlot::new(
            SlotName::from(format!("{}/{tenant}", self.name)),
            self.scheme,
            source,
            timing,
            self.clock.clone(),
            Arc::clone(&self.hub),
        )
    }

    /// Looks at a few tenants: forgets those that are idle, and one more where its room is needed. That is one that was not used
    /// since the last look, or else the one of them that was used least lately.
    fn make_room(&self, known: &mut Known, now: Instant, forgotten: &mut Vec<Entry>) {
        let most = self.tenants.most.get();
        let mut kept = 0;
        for _ in 0..LOOKS.min(known.round.len()) {
            let Some(tenant) = known.round.pop_front() else {
                break;
            };
            let is_full = known.slots.len() >= most;
            let Some(entry) = known.slots.get_mut(&tenant) else {
                continue;
            };
            let is_idle = now.saturating_duration_since(entry.used) >= self.tenants.idle;
            let may_go = is_idle || (is_full && !std::mem::take(&mut entry.touched));
            if may_go && entry.slot.can_be_forgotten(now, is_idle) {
                forgotten.extend(known.slots.remove(&tenant));
            } else {
                known.round.push_back(tenant);
                kept += 1;
            }
        }
        if known.slots.len() >= most {
            forgotten.extend(known.forget_one_of_the_last(kept, now));
        }
    }
}

impl Known {
    /// Forgets the one that was used least lately, of the `looked` tenants at the end of the round.
    fn forget_one_of_the_last(&mut self, looked: usize, now: Instant) -> Option<Entry> {
        let start = self.round.len().saturating_sub(looked);
        let last = self.round.iter().enumerate().skip(start);
        let entries = last.filter_map(|(at, tenant)| Some((at, self.slots.get(tenant)?)));
        let free = entries.filter(|(_, entry)| entry.slot.can_be_forgotten(now, false));
        let (at, _) = free.min_by_key(|(_, entry)| entry.used)?;
        let tenant = self.round.remove(at)?;
        self.slots.remove(&tenant)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .field("known", &self.len())
            .finish_non_exhaustive()
    }
}
