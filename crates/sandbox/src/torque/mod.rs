//! Torque: capabilities, READ, DECIDE, EXECUTE, accounts and Connect behind one window per business key.

mod access;
mod config;
mod connect;
mod envelope;
mod keys;
mod routes;
mod system;
mod work;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

pub use config::{PortfolioCredential, TorqueConfig};

use crate::{
    common::Terms,
    control::Controlled,
    exchange::System,
    faults::Faults,
    report::{Report, TradeReport},
    rs256::Keys,
    server::{Server, listen},
    tokens::Kind,
};
use system::App;

/// Whose wallet a token is for unless somebody says otherwise.
pub(super) const WALLET: &str = "wallet-sandbox";

/// A running Torque on a port of the loopback address; dropping it stops it at once.
#[derive(Debug)]
pub struct Torque {
    app: Arc<App>,
    server: Server,
}

impl Torque {
    /// Binds the port and serves until [`stop`](Self::stop) or drop.
    ///
    /// The first server of a process makes the RSA key that signs tokens, some hundred milliseconds.
    ///
    /// # Errors
    ///
    /// The port is busy (the message says so), or the system refuses to bind or to give random numbers.
    pub async fn start(config: TorqueConfig) -> io::Result<Self> {
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

    /// The first business key.
    #[must_use]
    pub fn business_key(&self) -> String {
        self.app.keys.first().unwrap_or_default()
    }

    /// Accepts one more business key, with a window of its own.
    pub fn add_key(&self, key: impl Into<String>) {
        self.app.keys.add(key.into());
    }

    /// Accepts a business key no longer; false if it was none.
    pub fn revoke_key(&self, key: &str) -> bool {
        self.app.keys.revoke(key)
    }

    /// A Smart Wallet JWT for the sandbox's wallet; `exp` is rounded up to a whole second.
    #[must_use]
    pub fn mint_wallet(&self, lifetime: Duration) -> String {
        self.mint(Kind::Wallet, WALLET, lifetime)
    }

    /// A Connect delegated JWT for a user, without the code exchange.
    #[must_use]
    pub fn mint_delegated(&self, lifetime: Duration) -> String {
        self.mint(Kind::Delegated, "user-sandbox", lifetime)
    }

    fn mint(&self, kind: Kind, subject: &str, lifetime: Duration) -> String {
        let common = self.app.common();
        common.ledger.asked_for_token();
        common.mint(Terms {
            kind,
            subject,
            lifetime,
        })
    }

    /// Does what the user's browser does at an `authorizeUrl`: consents, and brings back the code.
    ///
    /// `None` if the session is unknown, used, or older than ten minutes.
    #[must_use]
    pub fn consent(&self, authorize_url: &str) -> Option<String> {
        let (_, session) = authorize_url.split_once("session=")?;
        let consent = self
            .app
            .connect
            .consent(session, self.app.common().clock.now())?;
        Some(consent.code)
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

    /// Changes the limit of every key; what is counted stays counted.
    pub fn set_limit(&self, limit: u32) {
        self.app.set_limit(limit);
    }

    /// What became of the requests for the trade that its client calls `client_trade_id`, so far.
    #[must_use]
    pub fn trade(&self, client_trade_id: &str) -> TradeReport {
        self.app.common().trades.of(client_trade_id)
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
