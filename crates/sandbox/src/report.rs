//! What the server saw, as numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a request brought to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// Nothing.
    None,
    /// A Torque key, `sk_…`, valid or not.
    BusinessKey,
    /// A Smart Wallet JWT of this server, fresh or not.
    WalletJwt,
    /// A Connect delegated JWT of this server, fresh or not.
    DelegatedJwt,
    /// A Toromarket key, `tm_…`, valid or not.
    ApiKey,
    /// A Toromarket JWT of this server, fresh or not.
    LoginJwt,
    /// More than one of them.
    Several,
    /// Something that this server never issued.
    Unknown,
}

/// Everything a server counted since its start.
///
/// "Request" means one whose headers and body arrived whole, on any route but `/__sandbox`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `torque` or `toromarket`.
    pub system: String,
    /// Requests, those that were dropped included.
    pub requests: u64,
    /// Requests by route (aliases under their canonical route) and credential.
    pub routes: BTreeMap<String, BTreeMap<Credential, u64>>,
    /// Requests by credential.
    pub credentials: BTreeMap<Credential, u64>,
    /// Requests that came by an alias.
    pub alias_requests: u64,
    /// Requests whose credential is not of the kind that their route expects.
    pub wrong_credential: u64,
    /// Answers by status code, those that a fault kept from the client included.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers 401.
    pub status_401: u64,
    /// Answers 403.
    pub status_403: u64,
    /// Answers 429, of either kind.
    pub status_429: u64,
    /// Answers 429 because a quota was used up.
    pub quota_429: u64,
    /// Answers 429 with code `COOLDOWN`.
    pub cooldown_429: u64,
    /// Answers 5xx.
    pub status_5xx: u64,
    /// The limit of one key in one window, as it is now.
    pub limit: u64,
    /// The window's length in milliseconds.
    pub window_ms: u64,
    /// The most requests counted for one key in any rolling window; without the public routes' quota.
    pub peak_in_window: u64,
    /// The same, with the requests that were rejected because of the quota.
    pub peak_offered: u64,
    /// Counted requests by key, under labels that show no secret.
    pub keys: BTreeMap<String, KeyReport>,
    /// Trades and orders that were carried out, doubled ones included.
    pub trades_executed: u64,
    /// Trades and orders with an identity of their own (`clientTradeId`, else the idempotency key) that were carried out.
    pub trades_distinct: u64,
    /// Executions beyond the first of the same trade.
    pub duplicate_trades: u64,
    /// Answers that an idempotency key repeated without work.
    pub trades_replayed: u64,
    /// Tokens issued, in whatever way.
    pub tokens_minted: u64,
    /// Calls that asked for a token: mint calls, code exchanges, registrations and logins, refused ones included.
    pub token_requests: u64,
    /// Credentials that were refused, by reason.
    pub refused: Refused,
    /// Connections that a fault dropped.
    pub dropped: Dropped,
    /// 5xx that a fault injected.
    pub injected_5xx: u64,
    /// Connections that a fault retired after an answer.
    pub retired: u64,
}

/// What became of the requests for one trade, by the name that its client gave it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradeReport {
    /// Requests that arrived whole, whatever became of them.
    pub arrived: u64,
    /// How often it was carried out.
    pub executed: u64,
}

/// What one key was counted for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReport {
    /// The key's limit, as it is now.
    pub limit: u64,
    /// Requests that were counted.
    pub counted: u64,
    /// Requests that were answered 429.
    pub rejected: u64,
    /// The most counted in any rolling window.
    pub peak: u64,
    /// The most counted or rejected in any rolling window.
    pub peak_offered: u64,
}

/// Why credentials were refused with 401.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// None, of the wrong kind, or unknown.
    pub wrong: u64,
    /// Past their `exp`.
    pub expired: u64,
    /// Before their `exp`, by a fault.
    pub expired_early: u64,
    /// Fresh, by a fault.
    pub rejected_fresh: u64,
    /// Invalidated or revoked.
    pub invalidated: u64,
}

/// Connections that a fault dropped, by moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Before the request was counted.
    pub before: u64,
    /// After that, before its work.
    pub during: u64,
    /// After its work.
    pub after: u64,
    /// In the middle of the answer.
    pub cut: u64,
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.before + self.during + self.after + self.cut
    }
}
