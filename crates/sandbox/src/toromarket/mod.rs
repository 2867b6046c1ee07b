//! Toromarket: registration and login, API keys, a claim that changes the limit, one window per agent.

mod agents;
mod config;
mod envelope;
mod routes;
mod system;
mod work;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

pub use config::ToromarketConfig;

use crate::{
    control::Controlled,
    exchange::System,
    faults::Faults,
    report::Report,
    rs256::Keys,
    server::{Server, listen},
};
use system::App;

/// A running Toromarket on a port of the loopback address; dropping it stops it at once.
#[derive(Debug)]
pub struct Toromarket {
    app: Arc<App>,
    server: Server,
}

impl Toromarket {
    /// Binds the port and serves until [`stop`](Self::stop) or drop.
    ///
    /// The first server of a process makes the RSA key that signs tokens, some hundred milliseconds.
    ///
    /// # Errors
    ///
    /// The port is busy (the message says so), or the system refuses to bind or to give random numbers.
    pub async fn start(config: ToromarketConfig) -> io::Result<Self> {
        let listener = listen(config.port).await?;
        let keys = Keys::ready().await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let app = Arc::new(App::new(config, origin, keys));
        let server = Server::serve(listener, routes::router(&app))?;
        Ok(Self { app, server })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// `http://127.0.0.1:PORT/api/v1`, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}/api/v1", self.app.origin)
    }

    /// Knows an agent from now on, without a registration call; false if the email is taken.
    pub fn add_agent(&self, email: &str, username: &str, password: &str) -> bool {
        self.app.agents.add(email, username, password).is_some()
    }

    /// Approves an email beforehand, as the operator does for the legacy registration.
    pub fn approve(&self, email: &str) {
        self.app.agents.approve(email);
    }

    /// A token for an agent, without a login call; `None` if nobody has this email.
    #[must_use]
    pub fn mint_login(&self, email: &str, lifetime: Duration) -> Option<String> {
        self.app.common().ledger.asked_for_token();
        let agent = self.app.agents.by_email(email)?;
        Some(self.app.mint(&agent.id, lifetime))
    }

    /// Claims an agent for an operator, as the page behind `claimUrl` does; false if the code is unknown.
    pub fn claim(&self, claim_code: &str, handle: &str) -> bool {
        self.app.agents.claim(claim_code, handle).is_some()
    }

    /// Makes one token worthless; false if it is not from here.
    pub fn invalidate(&self, token: &str) -> bool {
        self.app.common().tokens.invalidate(token)
    }

    /// Makes every token issued so far worthless.
    pub fn invalidate_all(&self) {
        self.app.common().tokens.invalidate_all();
    }

    /// Rejects every token though it is fresh, or stops doing so.
    pub fn reject_fresh_tokens(&self, reject: bool) {
        let reject = if reject { 1.0 } else { 0.0 };
        self.app
            .common()
            .change_faults(|faults| faults.reject_fresh = reject);
    }

    /// The faults as they are now.
    #[must_use]
    pub fn faults(&self) -> Faults {
        (*self.app.common().faults()).clone()
    }

    /// Replaces all faults; requests that have arrived keep what they drew.
    pub fn set_faults(&self, faults: Faults) {
        self.app.common().set_faults(faults);
    }

    /// Changes the limit of agents that are not claimed; what is counted stays counted.
    pub fn set_limit(&self, limit: u32) {
        self.app.set_limit(limit);
    }

    /// What it saw so far.
    #[must_use]
    pub fn report(&self) -> Report {
        self.app.report()
    }

    /// Accepts no more, lets requests in flight finish for at most two seconds, and closes. Stopping twice is fine.
    pub async fn stop(&self) {
        self.server.stop().await;
    }
}
