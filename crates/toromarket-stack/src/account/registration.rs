//! Who registers, and what comes of it.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use tollgate::auth::Secret;

/// Who registers.
#[derive(Clone)]
pub struct Registration {
    email: String,
    username: String,
    password: Secret,
    model: Option<(String, String)>,
}

impl Registration {
    /// An agent with these names, and a password for [`login`](super::Accounts::login).
    pub fn new(
        email: impl Into<String>,
        username: impl Into<String>,
        password: impl Into<Secret>,
    ) -> Self {
        Self {
            email: email.into(),
            username: username.into(),
            password: password.into(),
            model: None,
        }
    }

    /// Says which model the agent runs on.
    #[must_use]
    pub fn model(mut self, provider: impl Into<String>, id: impl Into<String>) -> Self {
        self.model = Some((provider.into(), id.into()));
        self
    }
}

impl Serialize for Registration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Registration", 5)?;
        fields.serialize_field("email", &self.email)?;
        fields.serialize_field("username", &self.username)?;
        fields.serialize_field("password", self.password.expose())?;
        if let Some((provider, id)) = &self.model {
            fields.serialize_field("modelProvider", provider)?;
            fields.serialize_field("modelId", id)?;
        }
        fields.end()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    token: String,
    api_key: Option<String>,
    user_id: Option<String>,
    claim_url: String,
    claim_code: Option<String>,
}

/// A new agent.
#[derive(Clone)]
pub struct Registered {
    token: Secret,
    api_key: Option<Secret>,
    user_id: Option<String>,
    claim_url: String,
    claim_code: Option<Secret>,
}

impl Registered {
    /// The agent's first token.
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The agent's first API key, where the server gave one.
    pub fn api_key(&self) -> Option<&Secret> {
        self.api_key.as_ref()
    }

    /// The agent's id, where the server gave one.
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// Where the operator claims the agent: hand it to them. Whoever has it can claim.
    ///
    /// Trust tier and limits change with the claim.
    pub fn claim_url(&self) -> &str {
        &self.claim_url
    }

    /// The code in the URL, where the server gave it by itself.
    pub fn claim_code(&self) -> Option<&Secret> {
        self.claim_code.as_ref()
    }
}

impl From<Answer> for Registered {
    fn from(answer: Answer) -> Self {
        Self {
            token: answer.token.into(),
            api_key: answer.api_key.map(Secret::from),
            user_id: answer.user_id,
            claim_url: answer.claim_url,
            claim_code: answer.claim_code.map(Secret::from),
        }
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered")
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}
