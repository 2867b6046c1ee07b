//! Connect: a session, a consent, a code, a delegated JWT.

use std::{collections::HashMap, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use rsa::sha2::{Digest, Sha256};

/// Sessions and codes are worth something for ten minutes.
const LIFETIME: Duration = Duration::from_secs(600);

/// More open sessions than this are forgotten, oldest and all.
const MOST: usize = 10_000;

#[derive(Clone)]
pub(super) struct Session {
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) user: String,
    pub(super) opened: Duration,
}

/// What the user's consent gives.
#[derive(Clone)]
pub(super) struct Consent {
    pub(super) code: String,
    pub(super) redirect_uri: String,
}

/// Why a code was not exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    UnknownCode,
    OtherRedirect,
    WrongVerifier,
}

#[derive(Default)]
pub(super) struct Connect(Mutex<State>);

#[derive(Default)]
struct State {
    issued: u64,
    sessions: HashMap<String, Session>,
    codes: HashMap<String, Session>,
}

impl State {
    fn name(&mut self, what: &str) -> String {
        self.issued += 1;
        format!("{what}_{}_{:016x}", self.issued, fastrand::u64(..))
    }
}

impl Connect {
    /// Opens a session and names it.
    pub(super) fn open(&self, session: Session) -> String {
        let mut state = self.0.lock();
        if state.sessions.len() >= MOST {
            state.sessions.clear();
        }
        let name = state.name("cs");
        state.sessions.insert(name.clone(), session);
        name
    }

    /// The user agrees: the session becomes a code.
    pub(super) fn consent(&self, session: &str, now: Duration) -> Option<Consent> {
        let mut state = self.0.lock();
        let session = state.sessions.remove(session)?;
        if now >= session.opened + LIFETIME {
            return None;
        }
        if state.codes.len() >= MOST {
            state.codes.clear();
        }
        let code = state.name("code");
        let redirect_uri = session.redirect_uri.clone();
        state.codes.insert(code.clone(), session);
        Some(Consent { code, redirect_uri })
    }

    /// Spends a code, whoever brings it; the user is returned if everything fits.
    pub(super) fn exchange(
        &self,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
        now: Duration,
    ) -> Result<String, Refusal> {
        let session = self.0.lock().codes.remove(code);
        let session = session
            .filter(|session| now < session.opened + LIFETIME)
            .ok_or(Refusal::UnknownCode)?;
        if session.redirect_uri != redirect_uri {
            return Err(Refusal::OtherRedirect);
        }
        if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != session.challenge {
            return Err(Refusal::WrongVerifier);
        }
        Ok(session.user)
    }
}
