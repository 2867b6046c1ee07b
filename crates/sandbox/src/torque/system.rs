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
    config::{PortfolioCredential, TorqueConfig},
    connect::Connect,
    envelope::{error, rate_limited, unauthorized},
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
    report::{Credential, Report},
    rs256::Keys,
    tokens::{Kind, Verdict},
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

/// Keys by the order in which they came.
pub(super) struct BusinessKeys(Mutex<Vec<(String, bool)>>);

impl BusinessKeys {
    pub(super) fn add(&self, key: String) {
        self.0.lock().push((key, true));
    }

    pub(super) fn first(&self) -> Option<String> {
        self.0.lock().first().map(|(key, _)| key.clone())
    }

    pub(super) fn revoke(&self, key: &str) -> bool {
        let mut keys = self.0.lock();
        let known = keys
            .iter_mut()
            .find(|(known, active)| *active && known == key);
        known.is_some_and(|(_, active)| {
            *active = false;
            true
        })
    }

    /// The label of a key and whether it is still accepted.
    fn find(&self, key: &str) -> Option<(String, bool)> {
        let keys = self.0.lock();
        // The newest first: a key that was revoked may have been added again.
        let (at, (_, active)) = keys
            .iter()
            .enumerate()
            .rev()
            .find(|(_, (known, _))| known == key)?;
        Some((label(at), *active))
    }
}

fn label(at: usize) -> String {
    format!("business key {}", at + 1)
}

/// Which credentials a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expects {
    Nothing,
    Key,
    Wallet,
    /// Wallet or delegated JWT, or the key on the merchant channel.
    OnChain,
    Whatever,
}

impl App {
    pub(super) fn new(config: TorqueConfig, origin: String, keys: &'static Keys) -> Self {
        Self {
            keys: BusinessKeys(Mutex::new(
                config
                    .business_keys
                    .iter()
                    .map(|key| (key.clone(), true))
                    .collect(),
            )),
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

    fn expects(&self, surface: Surface) -> Expects {
        match surface {
            Surface::Capabilities => Expects::Nothing,
            Surface::Portfolio => match self.config.portfolio {
                PortfolioCredential::Wallet => Expects::Wallet,
                PortfolioCredential::BusinessKey => Expects::Key,
            },
            Surface::WalletAccount => Expects::Wallet,
            Surface::Execute => Expects::OnChain,
            Surface::Nowhere => Expects::Whatever,
            Surface::Feed
            | Surface::Chat
            | Surface::BusinessAccount
            | Surface::EndUsers
            | Surface::Deposits
            | Surface::AuthorizeSession
            | Surface::Token => Expects::Key,
        }
    }

    fn credential(&self, call: &Call) -> Credential {
        match (call.credentials(), call.bearer()) {
            (0, _) => Credential::None,
            (1, Some(bearer)) if bearer.starts_with("sk_") => Credential::BusinessKey,
            (1, Some(bearer)) => match self.common.tokens.read(bearer).map(|claims| claims.kind) {
                Some(Kind::Wallet) => Credential::WalletJwt,
                Some(Kind::Delegated) => Credential::DelegatedJwt,
                _ => Credential::Unknown,
            },
            (1, None) => Credential::Unknown,
            _ => Credential::Several,
        }
    }

    /// Whether this kind of credential belongs on this request.
    ///
    /// How the real system tells the merchant channel is unknown, so on execute routes a key and a JWT are both
    /// taken, unless the body says `"channel": "merchant"` or `"channel": "onchain"`: that is how a client tells the
    /// sandbox what it meant.
    fn fits(&self, surface: Surface, call: &Call, credential: Credential) -> bool {
        let on_chain = matches!(credential, Credential::WalletJwt | Credential::DelegatedJwt);
        match self.expects(surface) {
            Expects::Whatever => true,
            Expects::Nothing => credential == Credential::None,
            Expects::Key => credential == Credential::BusinessKey,
            Expects::Wallet => credential == Credential::WalletJwt,
            Expects::OnChain => match call.field("channel").as_deref() {
                Some("merchant") => credential == Credential::BusinessKey,
                Some(_) => on_chain,
                None => on_chain || credential == Credential::BusinessKey,
            },
        }
    }

    /// The caller and the label of the window that counts it, or 401.
    fn authenticate(
        &self,
        surface: Surface,
        call: &Call,
        faults: &Faults,
    ) -> Result<(Caller, Option<String>), Rejection> {
        let expects = self.expects(surface);
        if matches!(expects, Expects::Nothing | Expects::Whatever) {
            let principal = "anybody".into();
            return Ok((Caller { principal }, None));
        }
        let credential = self.credential(call);
        if credential == Credential::None {
            self.common.ledger.refused(None);
            return Err(Box::new(unauthorized(
                "UNAUTHORIZED",
                "this route wants a credential",
            )));
        }
        let wrong_kind = || {
            self.common.ledger.refused(None);
            match expects {
                Expects::Key => unauthorized("INVALID_API_KEY", "this route wants a business key"),
                _ => unauthorized("INVALID_TOKEN", "this route wants a user's token"),
            }
        };
        if !self.fits(surface, call, credential) {
            return Err(wrong_kind().into());
        }
        let Some(bearer) = call.bearer() else {
            return Err(wrong_kind().into());
        };
        if credential == Credential::BusinessKey {
            return match self.keys.find(bearer) {
                Some((label, true)) => Ok((
                    Caller {
                        principal: label.clone(),
                    },
                    Some(label),
                )),
                found => {
                    self.common
                        .ledger
                        .refused(found.map(|_| Verdict::Invalidated));
                    Err(Box::new(unauthorized(
                        "INVALID_API_KEY",
                        "this business key is not accepted",
                    )))
                }
            };
        }
        let Some(claims) = self.common.tokens.read(bearer) else {
            return Err(wrong_kind().into());
        };
        let now = self.common.server_now(faults);
        match self.common.tokens.judge(&claims, now, faults) {
            Verdict::Good => {
                let counts = match claims.kind {
                    Kind::Delegated => self.config.count_delegated,
                    _ => self.config.count_wallet_reads && surface != Surface::Execute,
                };
                let principal = claims.sub.clone();
                Ok((Caller { principal }, counts.then(|| label(0))))
            }
            verdict => {
                self.common.ledger.refused(Some(verdict));
                Err(Box::new(unauthorized(
                    "INVALID_TOKEN",
                    "this token is not accepted",
                )))
            }
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
