//! What a token request carries besides the grant itself.

use std::borrow::Cow;

use oauth2::Scope;

use crate::Secret;

/// Scopes, and parameters of the server's own.
#[derive(Clone, Default)]
pub(super) struct Extras {
    scopes: Vec<Scope>,
    params: Vec<(String, Secret)>,
}

impl Extras {
    pub(super) fn scope(&mut self, scope: String) {
        self.scopes.push(Scope::new(scope));
    }

    pub(super) fn param(&mut self, name: String, value: Secret) {
        self.params.push((name, value));
    }

    pub(super) fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.scopes.iter().cloned()
    }

    pub(super) fn params(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        let params = self.params.iter();
        params.map(|(name, value)| (Cow::from(name), Cow::from(value.expose())))
    }
}
