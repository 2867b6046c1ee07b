//! What each surface answers.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    agents::{Agent, ApiKey, Scope},
    envelope::{error, invalid, later, ok, success},
    routes::Surface,
    system::{App, Caller},
};
use crate::{
    answer::{Answer, Rejection},
    call::Call,
    exchange::System,
    trades::Stored,
    window::{Count, Window},
};

/// An order's `reasoning` has at least so many characters.
const REASONING: usize = 20;

impl App {
    pub(super) async fn answer(&self, surface: Surface, call: &Call, caller: &Caller) -> Answer {
        match (surface, caller.agent.as_deref()) {
            (Surface::SelfRegister, _) => self.self_register(call),
            (Surface::Login, _) => self.login(call),
            (Surface::Register, _) => self.register(call),
            (Surface::Markets, _) => ok(&json!({ "markets": ["TORO-USD", "BULL-USD"] })),
            (Surface::Me, Some(agent)) => ok(&json!({
                "userId": agent.id,
                "username": agent.username,
                "email": agent.email,
                "operator": self.agents.operator(&agent.id),
            })),
            (Surface::Order, Some(agent)) => self.order(call, agent, &caller.scopes).await,
            (Surface::ListKeys, Some(agent)) => {
                let keys: Vec<_> = self
                    .agents
                    .keys_of(&agent.id)
                    .iter()
                    .map(describe)
                    .collect();
                ok(&json!({ "apiKeys": keys }))
            }
            (Surface::CreateKey, Some(agent)) => self.create_key(call, agent),
            (Surface::RevokeKey, Some(agent)) => {
                let id = call.path().rsplit('/').next().unwrap_or_default();
                if self.agents.revoke_key(&agent.id, id) {
                    ok(&json!({ "id": id, "revoked": true }))
                } else {
                    error(
                        StatusCode::NOT_FOUND,
                        "NOT_FOUND",
                        "this agent has no such key",
                    )
                }
            }
            _ => error(StatusCode::NOT_FOUND, "NOT_FOUND", "there is no such route"),
        }
    }

    fn self_register(&self, call: &Call) -> Answer {
        self.common().ledger.asked_for_token();
        let agent = match self.newcomer(call, &self.self_registrations) {
            Ok(agent) => agent,
            Err(refusal) => return *refusal,
        };
        let scopes = vec![Scope::Read, Scope::Trade];
        let (api_key, _) = self.agents.create_key(&agent.id, "first", scopes);
        success(
            StatusCode::CREATED,
            &json!({
                "token": self.mint(&agent.id, self.config.token_lifetime),
                "apiKey": api_key,
                "userId": agent.id,
                "username": agent.username,
                "claimUrl": format!("{}/__sandbox/claim/{}", self.origin, agent.claim_code),
                "claimCode": agent.claim_code,
            }),
        )
    }

    fn login(&self, call: &Call) -> Answer {
        self.common().ledger.asked_for_token();
        let field = |name| call.field(name).unwrap_or_default();
        match self.agents.login(&field("email"), &field("password")) {
            Some(agent) => ok(&json!({
                "token": self.mint(&agent.id, self.config.token_lifetime),
                "userId": agent.id,
            })),
            None => error(
                StatusCode::UNAUTHORIZED,
                "INVALID_CREDENTIALS",
                "nobody has this email and password",
            ),
        }
    }

    /// The older registration: a shared secret, and the operator's approval beforehand.
    fn register(&self, call: &Call) -> Answer {
        self.common().ledger.asked_for_token();
        if call.header("x-toromarket-client").is_none() {
            return invalid("x-toromarket-client is missing");
        }
        let forbidden = |message| error(StatusCode::FORBIDDEN, "FORBIDDEN", message);
        if call.header("x-agent-secret") != Some(&self.config.agent_secret) {
            return forbidden("x-agent-secret is missing or wrong");
        }
        if !self
            .agents
            .is_approved(&call.field("email").unwrap_or_default())
        {
            return forbidden("the operator has not approved this email");
        }
        match self.newcomer(call, &self.registrations) {
            Ok(agent) => success(
                StatusCode::CREATED,
                &json!({
                    "token": self.mint(&agent.id, self.config.token_lifetime),
                    "userId": agent.id,
                    "username": agent.username,
                }),
            ),
            Err(refusal) => *refusal,
        }
    }

    /// A new agent, if the throttle lets one more in: it counts successes only.
    fn newcomer(&self, call: &Call, throttle: &Mutex<Window>) -> Result<Arc<Agent>, Rejection> {
        let (Some(email), Some(username), Some(password)) = (
            call.field("email"),
            call.field("username"),
            call.field("password"),
        ) else {
            return Err(invalid("email, username and password are needed").into());
        };
        let mut throttle = throttle.lock();
        let now = self.common().clock.now();
        if throttle.is_full(now) {
            return Err(later(
                StatusCode::FORBIDDEN,
                "REGISTRATION_THROTTLE",
                "too many registrations from this address",
                throttle.resets_in(now),
            )
            .into());
        }
        let agent = self
            .agents
            .add(&email, &username, &password)
            .ok_or_else(|| error(StatusCode::CONFLICT, "CONFLICT", "this email is taken"))?;
        throttle.admit(now, Count::Now);
        Ok(agent)
    }

    async fn order(&self, call: &Call, agent: &Agent, scopes: &[Scope]) -> Answer {
        if !scopes.contains(&Scope::Trade) {
            return error(StatusCode::FORBIDDEN, "FORBIDDEN", "this key may not trade");
        }
        let reasoning = call.field("reasoning").unwrap_or_default();
        if reasoning.chars().count() < REASONING {
            return invalid("reasoning has 20 characters or more");
        }
        let confidence = call.json.get("confidence").and_then(Value::as_f64);
        if !confidence.is_some_and(|confidence| (0.0..=1.0).contains(&confidence)) {
            return invalid("confidence is a number from 0 to 1");
        }
        let client_trade = call.field("clientTradeId");
        let identity = client_trade
            .as_ref()
            .map(|trade| format!("{} {trade}", agent.id));
        let stored = |number: u64| Stored {
            status: StatusCode::CREATED,
            headers: ok(&Value::Null).headers().clone(),
            body: Bytes::from(
                json!({
                    "success": true,
                    "data": { "orderId": format!("order-{number}"), "clientTradeId": client_trade },
                })
                .to_string(),
            ),
        };
        let clock = || self.common().clock.now();
        // No idempotency key: Toromarket publishes none.
        let (stored, _) = self
            .common()
            .trades
            .execute(None, identity, clock, stored)
            .await;
        stored.answer().map(Into::into)
    }

    fn create_key(&self, call: &Call, agent: &Agent) -> Answer {
        let scopes = match call.json.get("scopes").and_then(Value::as_array) {
            None => Some(vec![Scope::Read, Scope::Trade]),
            Some(names) => names
                .iter()
                .map(|name| name.as_str().and_then(Scope::named))
                .collect(),
        };
        let Some(scopes) = scopes else {
            return invalid("scopes are read and trade");
        };
        let name = call.field("name").unwrap_or_else(|| "unnamed".into());
        let (secret, key) = self.agents.create_key(&agent.id, &name, scopes);
        let mut data = describe(&key);
        data["apiKey"] = secret.into();
        success(StatusCode::CREATED, &data)
    }
}

/// A key without its secret.
fn describe(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "scopes": key.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>(),
        "revoked": key.revoked,
    })
}
