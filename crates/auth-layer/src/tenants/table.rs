//! The tenants that are known, within their bounds.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use call_context::SlotName;
use http::Request;
use parking_lot::Mutex;

use super::known::{Bounds, Entry, Full, Known};
use super::{Tenant, Tenants};
use crate::TokenSlot;
use crate::clock::Clock;
use crate::events::Hub;
use crate::secret::Scheme;
use crate::token::Timing;

/// How often room is looked for that others take before it is used.
const TRIES: usize = 8;

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
        self.known.lock().peek(&Tenant::from(tenant))
    }

    /// How many tenants are known.
    pub(crate) fn len(&self) -> usize {
        self.known.lock().len()
    }

    /// The slot of `tenant`, made where there is none and there is room.
    ///
    /// Sources are the user's: they are made, asked and dropped without the lock, so that they may come back to this table, and
    /// panic.
    pub(crate) fn slot(&self, tenant: Tenant) -> Result<TokenSlot, Full> {
        let mut made = None;
        let mut forgotten = Vec::new();
        let mut slot = Ok(None);
        for _ in 0..TRIES {
            slot = self.find_or_add(&tenant, &mut made, &mut forgotten);
            if !matches!(slot, Ok(None)) {
                break;
            }
        }
        drop(made);
        // Others' sources: a panic of theirs is not this request's.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(forgotten)));
        slot?.ok_or(Full)
    }

    /// The slot of `tenant`, found, or `made` and added; `Ok(None)` where others have taken the room for it meanwhile.
    fn find_or_add(
        &self,
        tenant: &Tenant,
        made: &mut Option<TokenSlot>,
        forgotten: &mut Vec<Entry>,
    ) -> Result<Option<TokenSlot>, Full> {
        let now = self.clock.now().mono;
        let bounds = self.bounds();
        let looked = {
            let mut known = self.known.lock();
            if let Some(slot) = known.get(tenant, now) {
                return Ok(Some(slot));
            }
            known.look(now, &bounds)
        };
        let room = looked.ask();
        if room.is_full {
            return Err(Full);
        }
        // Two who meet a tenant at once may both make its source; the first one's is used.
        let made = made.get_or_insert_with(|| self.make(tenant));
        let mut known = self.known.lock();
        if let Some(slot) = known.get(tenant, now) {
            return Ok(Some(slot));
        }
        known.make_room(room, now, bounds.most, forgotten);
        Ok(known.add(tenant.clone(), made, now, bounds.most).ok())
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            most: self.tenants.most.get(),
            idle: self.tenants.idle,
        }
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
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .field("known", &self.len())
            .finish_non_exhaustive()
    }
}
