//! Who may do what, and what is counted.

use std::{
    collections::HashMap,
    fmt,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::json;

use super::{
    config::TorqueConfig,
    connect::Connect,
    envelope::{error, rate_limited},
    keys::BusinessKeys,
    routes::{Surface, canonical},
};
use crate::{
    answer::{Answer, Rejection},
    call::Call,
    common::Common,
    control::Controlled,
    exchange::{Pass, System},
    faults::Faults,
    ledger::Arrival,
    quota::Rule,
    report::Report,
    rs256::Keys,
    window::Admission,
};

/// Everything that a Torque knows.
pub(super) struct App {
    pub(super) origin: String,
    pub(super) config: TorqueConfig,
    pub(super) keys: BusinessKeys,
    pub(super) connect: Connect,
    /// When the feed was last forced, by key.
    pub(super) forced: Mutex<HashMap<String, Duration>>,
    pub(super) chats: AtomicU64,
    common: Common,
    limit: AtomicU32,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Who a request comes from.
pub(super) struct Caller {
    /// A key's label or a token's subject; no secret.
    pub(super) principal: String,
}

impl App {
    pub(super) fn new(config: TorqueConfig, origin: String, keys: &'static Keys) -> Self {
        Self {
            keys: BusinessKeys::from(&config.business_keys),
            connect: Connect::default(),
            forced: Mutex::default(),
            chats: AtomicU64::new(0),
            common: Common::new(
                "torque",
                &origin,
                keys,
                config.window,
                config.faults.clone(),
                config.seed,
            ),
            limit: AtomicU32::new(config.limit),
            origin,
            config,
        }
    }

    pub(super) fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    fn rule(&self) -> Rule {
        Rule {
            limit: self.limit.load(Ordering::Relaxed) as usize,
            length: self.config.window,
            count_rejected: self.config.count_rejected,
        }
    }
}

impl System for App {
    type Surface = Surface;
    type Caller = Caller;

    fn common(&self) -> &Common {
        &self.common
    }

    fn arrival(&self, surface: Surface, call: &Call) -> Arrival {
        let credential = self.credential(call);
        if surface == Surface::Execute
            && let Some(trade) = call.field("clientTradeId")
        {
            self.common.trades.arrived(trade);
        }
        Arrival {
            route: surface.label(),
            credential,
            wrong: !self.fits(surface, call, credential),
            alias: canonical(call.path()).is_some(),
        }
    }

    fn admit(
        &self,
        surface: Surface,
        call: &Call,
        faults: &Faults,
    ) -> Result<Pass<Caller>, Rejection> {
        let (caller, window) = self.authenticate(surface, call, faults)?;
        let mut headers = HeaderMap::new();
        if let Some(label) = &window {
            let word =
                self.common
                    .quotas
                    .admit(label, &self.rule(), || self.common.clock.now(), faults);
            if self.config.rate_limit_headers {
                headers = word.headers(self.common.server_now(faults));
            }
            if let Admission::Rejected { retry_after } = word.admission {
                let mut answer = rate_limited(word.limit, retry_after);
                answer.headers_mut().extend(headers);
                return Err(answer.into());
            }
        }
        Ok(Pass {
            caller,
            counted: window,
            headers,
        })
    }

    async fn work(&self, surface: Surface, call: &Call, caller: &Caller) -> Answer {
        self.answer(surface, call, caller).await
    }

    fn failure(&self, surface: Surface) -> Answer {
        let (status, code) = match surface {
            Surface::Execute => (StatusCode::BAD_GATEWAY, "JUPITER_ERROR"),
            Surface::Feed => (StatusCode::SERVICE_UNAVAILABLE, "INTELLIGENCE_UNAVAILABLE"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "CONFIG_ERROR"),
        };
        error(status, code, "a fault that was asked for", json!({}))
    }
}

impl Controlled for App {
    fn report(&self) -> Report {
        self.common.report(self.rule().limit)
    }
}
