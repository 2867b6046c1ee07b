//! What both systems have: clock, faults, tokens, quotas, counters.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

use crate::{
    clock::Clock,
    faults::{Drawn, Faults},
    ledger::Ledger,
    quota::Quotas,
    report::Report,
    rs256::Keys,
    tokens::{Kind, Tokens},
    trades::Trades,
};

/// Labels of quotas that are about routes for everybody, not about a key.
pub(crate) const PUBLIC: &str = "public ";

/// How a token is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) kind: Kind,
    pub(crate) subject: &'a str,
    pub(crate) lifetime: Duration,
}

pub(crate) struct Common {
    pub(crate) clock: Clock,
    pub(crate) ledger: Ledger,
    pub(crate) tokens: Tokens,
    pub(crate) quotas: Quotas,
    pub(crate) trades: Trades,
    faults: Mutex<Arc<Faults>>,
    dice: Mutex<fastrand::Rng>,
}

impl Common {
    pub(crate) fn new(
        system: &'static str,
        origin: &str,
        keys: &'static Keys,
        window: Duration,
        faults: Faults,
        seed: u64,
    ) -> Self {
        Self {
            clock: Clock::start(),
            ledger: Ledger::new(system),
            tokens: Tokens::new(origin.into(), keys, seed),
            quotas: Quotas::new(window),
            trades: Trades::default(),
            faults: Mutex::new(Arc::new(faults)),
            dice: Mutex::new(fastrand::Rng::with_seed(seed)),
        }
    }

    pub(crate) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults.lock())
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        *self.faults.lock() = Arc::new(faults);
    }

    /// Changes one thing about the faults and leaves the rest.
    pub(crate) fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(Arc::make_mut(&mut *self.faults.lock()));
    }

    pub(crate) fn draw(&self, faults: &Faults) -> Drawn {
        faults.draw(&mut self.dice.lock())
    }

    /// The time of day by the server's own, perhaps wrong, clock.
    pub(crate) fn server_now(&self, faults: &Faults) -> Duration {
        self.clock.shifted(faults.clock_offset)
    }

    pub(crate) fn mint(&self, terms: Terms<'_>) -> String {
        let now = self.server_now(&self.faults());
        self.tokens
            .mint(terms.kind, terms.subject, terms.lifetime, now)
    }

    pub(crate) fn report(&self, limit: usize) -> Report {
        let mut report = self.ledger.report();
        report.limit = limit as u64;
        report.tokens_minted = self.tokens.issued();
        self.quotas.complete(&mut report, PUBLIC);
        self.trades.complete(&mut report);
        report
    }
}
