//! Trades: which were carried out, how often, and what an idempotency key repeats.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use parking_lot::Mutex;

use crate::report::{Report, TradeReport};

/// How long an idempotency key repeats its answer.
const REPLAY: Duration = Duration::from_secs(24 * 3600);

/// Keys older than a day are swept whenever about this many more are kept.
const SWEEP_AT: usize = 100_000;

/// An answer as an idempotency key repeats it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Stored {
    pub(crate) fn answer(self) -> Response<Bytes> {
        let mut answer = Response::new(self.body);
        *answer.status_mut() = self.status;
        *answer.headers_mut() = self.headers;
        answer
    }
}

/// An answer, and when it was first given.
type Slot = Arc<tokio::sync::Mutex<Option<(Duration, Stored)>>>;

#[derive(Default)]
pub(crate) struct Trades {
    book: Mutex<Book>,
    /// By caller, route and key. Concurrent requests with one key queue at the slot's lock.
    slots: Mutex<HashMap<String, (Duration, Slot)>>,
}

#[derive(Default)]
struct Book {
    executed: u64,
    replayed: u64,
    by_identity: HashMap<String, TradeReport>,
}

impl Trades {
    /// Carries a trade out, or repeats the answer that `key` has already had within a day.
    ///
    /// `identity` is what the client calls this trade; without one it cannot be told from another.
    pub(crate) async fn execute(
        &self,
        key: Option<String>,
        identity: Option<String>,
        clock: impl Fn() -> Duration,
        answer: impl FnOnce(u64) -> Stored,
    ) -> (Stored, bool) {
        let Some(key) = key else {
            return (answer(self.carry_out(identity)), false);
        };
        let slot = self.slot(key, clock());
        // Work is never cancelled half-way: between the lock and the store there is no await.
        let mut slot = slot.lock().await;
        let now = clock();
        if let Some((at, stored)) = &*slot
            && now < *at + REPLAY
        {
            self.book.lock().replayed += 1;
            return (stored.clone(), true);
        }
        let stored = answer(self.carry_out(identity));
        *slot = Some((now, stored.clone()));
        (stored, false)
    }

    fn slot(&self, key: String, now: Duration) -> Slot {
        let mut slots = self.slots.lock();
        if slots.len() % SWEEP_AT == SWEEP_AT - 1 {
            slots.retain(|_, (at, _)| now < *at + REPLAY);
        }
        Arc::clone(&slots.entry(key).or_insert_with(|| (now, Slot::default())).1)
    }

    /// Does it, and returns the trade's number.
    fn carry_out(&self, identity: Option<String>) -> u64 {
        let mut book = self.book.lock();
        book.executed += 1;
        if let Some(identity) = identity {
            book.by_identity.entry(identity).or_default().executed += 1;
        }
        book.executed
    }

    /// A request for the trade of this name has arrived.
    pub(crate) fn arrived(&self, identity: String) {
        let mut book = self.book.lock();
        book.by_identity.entry(identity).or_default().arrived += 1;
    }

    /// What became of the trade of this name.
    pub(crate) fn of(&self, identity: &str) -> TradeReport {
        let book = self.book.lock();
        book.by_identity.get(identity).copied().unwrap_or_default()
    }

    pub(crate) fn complete(&self, report: &mut Report) {
        let book = self.book.lock();
        report.trades_executed = book.executed;
        report.trades_replayed = book.replayed;
        let times = || book.by_identity.values().map(|trade| trade.executed);
        report.trades_distinct = times().filter(|&times| times > 0).count() as u64;
        report.duplicate_trades = times().map(|times| times.saturating_sub(1)).sum();
    }
}
