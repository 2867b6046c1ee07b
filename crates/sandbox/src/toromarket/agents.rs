//! Agents, their operators and their API keys.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;

/// What is known of one agent; its operator is in the register, since that changes.
pub(super) struct Agent {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) username: String,
    pub(super) claim_code: String,
    password: String,
}

/// What an API key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Read,
    Trade,
}

impl Scope {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Trade => "trade",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Read, Self::Trade]
            .into_iter()
            .find(|scope| scope.name() == name)
    }
}

#[derive(Clone)]
pub(super) struct ApiKey {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) scopes: Vec<Scope>,
    pub(super) agent: String,
    pub(super) revoked: bool,
}

/// Everybody who ever registered.
#[derive(Default)]
pub(super) struct Agents(Mutex<State>);

#[derive(Default)]
struct State {
    agents: HashMap<String, Arc<Agent>>,
    id_by_email: HashMap<String, String>,
    id_by_code: HashMap<String, String>,
    operators: HashMap<String, String>,
    approved: HashSet<String>,
    keys: HashMap<String, ApiKey>,
}

impl Agents {
    /// A new agent; `None` if the email is taken.
    pub(super) fn add(&self, email: &str, username: &str, password: &str) -> Option<Arc<Agent>> {
        let mut state = self.0.lock();
        if state.id_by_email.contains_key(email) {
            return None;
        }
        let agent = Arc::new(Agent {
            id: format!("agent-{}", state.agents.len() + 1),
            email: email.into(),
            username: username.into(),
            claim_code: format!("claim-{:016x}", fastrand::u64(..)),
            password: password.into(),
        });
        let id = agent.id.clone();
        state.id_by_email.insert(email.into(), id.clone());
        state
            .id_by_code
            .insert(agent.claim_code.clone(), id.clone());
        state.agents.insert(id, Arc::clone(&agent));
        Some(agent)
    }

    pub(super) fn by_id(&self, id: &str) -> Option<Arc<Agent>> {
        self.0.lock().agents.get(id).cloned()
    }

    pub(super) fn by_email(&self, email: &str) -> Option<Arc<Agent>> {
        let state = self.0.lock();
        let id = state.id_by_email.get(email)?;
        state.agents.get(id).cloned()
    }

    /// Who logs in with this email and password.
    pub(super) fn login(&self, email: &str, password: &str) -> Option<Arc<Agent>> {
        self.by_email(email)
            .filter(|agent| agent.password == password)
    }

    pub(super) fn approve(&self, email: &str) {
        self.0.lock().approved.insert(email.into());
    }

    pub(super) fn is_approved(&self, email: &str) -> bool {
        self.0.lock().approved.contains(email)
    }

    /// The agent of a claim code belongs to `handle` from now on.
    pub(super) fn claim(&self, code: &str, handle: &str) -> Option<Arc<Agent>> {
        let mut state = self.0.lock();
        let id = state.id_by_code.get(code)?.clone();
        state.operators.insert(id.clone(), handle.into());
        state.agents.get(&id).cloned()
    }

    pub(super) fn operator(&self, id: &str) -> Option<String> {
        self.0.lock().operators.get(id).cloned()
    }

    pub(super) fn anybody_claimed(&self) -> bool {
        !self.0.lock().operators.is_empty()
    }

    /// A new key and its secret, which is said only once.
    pub(super) fn create_key(
        &self,
        agent: &str,
        name: &str,
        scopes: Vec<Scope>,
    ) -> (String, ApiKey) {
        let mut state = self.0.lock();
        let secret = format!("tm_{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let key = ApiKey {
            id: format!("key-{}", state.keys.len() + 1),
            name: name.into(),
            scopes,
            agent: agent.into(),
            revoked: false,
        };
        state.keys.insert(secret.clone(), key.clone());
        (secret, key)
    }

    pub(super) fn key(&self, secret: &str) -> Option<ApiKey> {
        self.0.lock().keys.get(secret).cloned()
    }

    pub(super) fn keys_of(&self, agent: &str) -> Vec<ApiKey> {
        let state = self.0.lock();
        let mut keys: Vec<_> = state
            .keys
            .values()
            .filter(|key| key.agent == agent)
            .cloned()
            .collect();
        keys.sort_by(|a, b| a.id.cmp(&b.id));
        keys
    }

    /// False if the agent has no such key.
    pub(super) fn revoke_key(&self, agent: &str, id: &str) -> bool {
        let mut state = self.0.lock();
        let key = state
            .keys
            .values_mut()
            .find(|key| key.agent == agent && key.id == id);
        key.is_some_and(|key| {
            key.revoked = true;
            true
        })
    }
}
