//! What a Torque can be told before it starts.

use std::time::Duration;

use crate::faults::Faults;

/// Which credential `GET /read/portfolio` wants: the published pages contradict each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortfolioCredential {
    /// The Smart Wallet JWT, as the table of surfaces says.
    #[default]
    Wallet,
    /// The business key, as the data integrator's profile says.
    BusinessKey,
}

/// How a Torque starts.
#[derive(Clone)]
pub struct TorqueConfig {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Requests of one business key in any window.
    pub limit: u32,
    /// The window's length.
    pub window: Duration,
    /// Rejected requests take a place in the window too.
    pub count_rejected: bool,
    /// Keys that are accepted at the start; the first is the one that [`Torque::business_key`](super::Torque::business_key) names.
    pub business_keys: Vec<String>,
    /// Lifetime of wallet JWTs from `POST /__sandbox/mint` when the caller names none.
    pub wallet_jwt_lifetime: Duration,
    /// Lifetime of delegated JWTs from the code exchange.
    pub delegated_lifetime: Duration,
    /// Who may read the portfolio.
    pub portfolio: PortfolioCredential,
    /// Wallet JWT calls off the execute routes count in the first key's window. What the real system does is unknown.
    pub count_wallet_reads: bool,
    /// Delegated JWT calls count in the first key's window. What the real system does is unknown.
    pub count_delegated: bool,
    /// Whether the key is entitled to end users; without it their routes answer 403.
    pub entitled: bool,
    /// Chats before `402 assistant_credits_exhausted`; `None` for no end.
    pub assistant_credits: Option<u64>,
    /// Time after a forced feed within which another one is answered `429 COOLDOWN`.
    pub cooldown: Duration,
    /// Adds `X-RateLimit-*` to answers that were counted, as older pages promise.
    pub rate_limit_headers: bool,
    /// What goes wrong from the start.
    pub faults: Faults,
    /// Seed of everything random but keys and nonces.
    pub seed: u64,
}

impl Default for TorqueConfig {
    fn default() -> Self {
        Self {
            port: 0,
            limit: 100,
            window: Duration::from_secs(60),
            count_rejected: false,
            business_keys: vec!["sk_live_sandbox".into()],
            wallet_jwt_lifetime: Duration::from_secs(15 * 60),
            delegated_lifetime: Duration::from_secs(3600),
            portfolio: PortfolioCredential::Wallet,
            count_wallet_reads: false,
            count_delegated: false,
            entitled: true,
            assistant_credits: None,
            cooldown: Duration::from_secs(30),
            rate_limit_headers: false,
            faults: Faults::none(),
            seed: 1,
        }
    }
}
