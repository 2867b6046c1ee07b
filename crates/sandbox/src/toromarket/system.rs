//! Who may do what, and what is counted.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

use super::{
    agents::{Agent, Agents, Scope},
    config::ToromarketConfig,
    envelope::{error, later},
    routes::Surface,
};
use crate::{
    answer::{Answer, Rejection},
    call::Call,
    common::{Common, PUBLIC, Terms},
    control::Controlled,
    exchange::{Pass, System},
    faults::Faults,
    ledger::Arrival,
    quota::Rule,
    report::{Credential, Report},
    rs256::Keys,
    tokens::{Kind, Verdict},
    window::{Admission, Window},
};

/// Registrations are throttled by the hour.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// Everything that a Toromarket knows.
pub(super) struct App {
    pub(super) origin: String,
    pub(super) config: ToromarketConfig,
    pub(super) agents: Agents,
    pub(super) self_registrations: Mutex<Window>,
    pub(super) registrations: Mutex<Window>,
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

/// Who a request comes from; nobody on public routes.
pub(super) struct Caller {
    pub(super) agent: Option<Arc<Agent>>,
    pub(super) scopes: Vec<Scope>,
}

impl App {
    pub(super) fn new(config: ToromarketConfig, origin: String, keys: &'static Keys) -> Self {
        let throttle = |most: u32| Mutex::new(Window::new(most as usize, HOUR));
        Self {
            agents: Agents::default(),
            self_registrations: throttle(config.self_registrations),
            registrations: throttle(config.registrations),
            common: Common::new(
                "toromarket",
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

    pub(super) fn mint(&self, agent: &str, lifetime: Duration) -> String {
        self.common.mint(Terms {
            kind: Kind::Login,
            subject: agent,
            lifetime,
        })
    }

    fn rule(&self, limit: u32) -> Rule {
        Rule {
            limit: limit as usize,
            length: self.config.window,
            count_rejected: self.config.count_rejected,
        }
    }

    /// The limit of an agent, which its claim changes.
    fn limit_of(&self, agent: &Agent) -> u32 {
        match self.agents.operator(&agent.id) {
            Some(_) => self.config.claimed_limit,
            None => self.limit.load(Ordering::Relaxed),
        }
    }

    fn credential(&self, call: &Call) -> Credential {
        match call.credentials() {
            0 => Credential::None,
            1 => match (call.header("x-api-key"), call.bearer()) {
                (Some(key), _) if key.starts_with("tm_") => Credential::ApiKey,
                (_, Some(bearer)) if self.common.tokens.read(bearer).is_some() => {
                    Credential::LoginJwt
                }
                _ => Credential::Unknown,
            },
            _ => Credential::Several,
        }
    }

    fn authenticate(&self, call: &Call, faults: &Faults) -> Result<Caller, Rejection> {
        let unauthorized = |verdict, message| {
            self.common.ledger.refused(verdict);
            Err(Box::new(error(
                StatusCode::UNAUTHORIZED,
                "UNAUTHORIZED",
                message,
            )))
        };
        let (agent, scopes) = match self.credential(call) {
            Credential::None => return unauthorized(None, "this route wants a credential"),
            Credential::ApiKey => {
                match call
                    .header("x-api-key")
                    .and_then(|secret| self.agents.key(secret))
                {
                    Some(key) if !key.revoked => (key.agent, key.scopes),
                    Some(_) => {
                        return unauthorized(Some(Verdict::Invalidated), "this key is revoked");
                    }
                    None => return unauthorized(None, "this key is unknown"),
                }
            }
            Credential::LoginJwt => {
                let Some(claims) = call
                    .bearer()
                    .and_then(|token| self.common.tokens.read(token))
                else {
                    return unauthorized(None, "this token is not from here");
                };
                let now = self.common.server_now(faults);
                match self.common.tokens.judge(&claims, now, faults) {
                    Verdict::Good => (claims.sub.clone(), vec![Scope::Read, Scope::Trade]),
                    verdict => return unauthorized(Some(verdict), "this token is not accepted"),
                }
            }
            _ => return unauthorized(None, "this credential is not from here"),
        };
        match self.agents.by_id(&agent) {
            Some(agent) => Ok(Caller {
                agent: Some(agent),
                scopes,
            }),
            None => unauthorized(None, "this agent is unknown"),
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
            wrong: match surface {
                Surface::Nowhere => false,
                _ if surface.is_public() => credential != Credential::None,
                _ => !matches!(credential, Credential::LoginJwt | Credential::ApiKey),
            },
            alias: false,
        }
    }

    fn admit(
        &self,
        surface: Surface,
        call: &Call,
        faults: &Faults,
    ) -> Result<Pass<Caller>, Rejection> {
        let (caller, label, limit) = if surface.is_public() {
            let nobody = Caller {
                agent: None,
                scopes: vec![],
            };
            (nobody, format!("{PUBLIC}routes"), self.config.public_limit)
        } else {
            let caller = self.authenticate(call, faults)?;
            let agent = caller.agent.as_deref();
            let label = agent.map_or_else(String::new, |agent| format!("agent {}", agent.username));
            let limit = agent.map_or(0, |agent| self.limit_of(agent));
            (caller, label, limit)
        };
        let word = self.common.quotas.admit(
            &label,
            &self.rule(limit),
            || self.common.clock.now(),
            faults,
        );
        // Published for authenticated answers only.
        let headers = match caller.agent {
            Some(_) => word.headers(self.common.server_now(faults)),
            None => HeaderMap::new(),
        };
        if let Admission::Rejected { retry_after } = word.admission {
            let mut answer = later(
                StatusCode::TOO_MANY_REQUESTS,
                "RATE_LIMITED",
                &format!("all {} requests of this window are used", word.limit),
                retry_after,
            );
            answer.headers_mut().extend(headers);
            return Err(answer.into());
        }
        Ok(Pass {
            caller,
            counted: Some(label),
            headers,
        })
    }

    async fn work(&self, surface: Surface, call: &Call, caller: &Caller) -> Answer {
        self.answer(surface, call, caller).await
    }

    fn failure(&self, _: Surface) -> Answer {
        error(
            StatusCode::SERVICE_UNAVAILABLE,
            "UNAVAILABLE",
            "a fault that was asked for",
        )
    }
}

impl Controlled for App {
    fn report(&self) -> Report {
        let free = self.limit.load(Ordering::Relaxed);
        let limit = if self.agents.anybody_claimed() {
            free.max(self.config.claimed_limit)
        } else {
            free
        };
        self.common.report(limit as usize)
    }
}
