//! Tokens: who issued them, until when they hold, and what spoils them.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jsonwebtoken::{Algorithm, Header, Validation};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{faults::Faults, rs256::Keys};

/// Tokens whose signature was checked are remembered up to this many.
const REMEMBERED: usize = 10_000;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Wallet,
    Delegated,
    Login,
}

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) jti: String,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
    pub(crate) kind: Kind,
    /// The issuer's count, the issue time and the lifetime to the millisecond, for the faults.
    serial: u64,
    issued_ms: u64,
    lifetime_ms: u64,
}

/// What the server thinks of a token whose signature is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Expired,
    ExpiredEarly,
    RejectedFresh,
    Invalidated,
}

/// Everything that one server knows about its tokens.
pub(crate) struct Tokens {
    issuer: String,
    keys: &'static Keys,
    seed: u64,
    issued: AtomicU64,
    /// All tokens up to this serial are invalidated.
    cut: AtomicU64,
    invalidated: Mutex<HashSet<String>>,
    seen: Mutex<HashMap<String, Arc<Claims>>>,
}

impl Tokens {
    pub(crate) fn new(issuer: String, keys: &'static Keys, seed: u64) -> Self {
        Self {
            issuer,
            keys,
            seed,
            issued: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            invalidated: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// Signs a token that holds for `lifetime`, rounded up to whole seconds of the server's clock as `exp` wants it;
    /// with no lifetime it is expired at once.
    pub(crate) fn mint(
        &self,
        kind: Kind,
        subject: &str,
        lifetime: Duration,
        now: Duration,
    ) -> String {
        let serial = self.issued.fetch_add(1, Ordering::Relaxed) + 1;
        let end = now.saturating_add(lifetime);
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: subject.into(),
            jti: format!("{serial}-{:08x}", fastrand::u32(..)),
            iat: now.as_secs(),
            exp: end.as_secs() + u64::from(!lifetime.is_zero() && end.subsec_nanos() > 0),
            kind,
            serial,
            issued_ms: millis(now),
            lifetime_ms: millis(lifetime),
        };
        let header = Header::new(Algorithm::RS256);
        jsonwebtoken::encode(&header, &claims, &self.keys.encoding)
            .expect("claims are plain JSON and the key of this process signs RS256")
    }

    /// The claims of a token that this server has issued, however old.
    pub(crate) fn read(&self, token: &str) -> Option<Arc<Claims>> {
        if let Some(claims) = self.seen.lock().get(token) {
            return Some(Arc::clone(claims));
        }
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_issuer(&[&self.issuer]);
        rules.validate_aud = false;
        // Checked by `judge`, against a clock that a fault can shift.
        rules.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.keys.decoding, &rules).ok()?;
        let claims = Arc::new(claims.claims);
        let mut seen = self.seen.lock();
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(token.into(), Arc::clone(&claims));
        Some(claims)
    }

    /// Whether the token opens anything at `now`, by the server's clock.
    pub(crate) fn judge(&self, claims: &Claims, now: Duration, faults: &Faults) -> Verdict {
        if now.as_secs() >= claims.exp {
            return Verdict::Expired;
        }
        if claims.serial <= self.cut.load(Ordering::Acquire)
            || self.invalidated.lock().contains(&claims.jti)
        {
            return Verdict::Invalidated;
        }
        // A token's fate depends on the seed and on its serial alone: it is the same each time it is asked for.
        let mut fate =
            fastrand::Rng::with_seed(self.seed ^ claims.serial.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (reject, expire) = (fate.f64(), fate.f64());
        if reject < faults.reject_fresh {
            return Verdict::RejectedFresh;
        }
        let early = claims.lifetime_ms as f64 * faults.expire_early_at;
        if expire < faults.expire_early && millis(now) as f64 >= claims.issued_ms as f64 + early {
            return Verdict::ExpiredEarly;
        }
        Verdict::Good
    }

    /// Makes one token worthless; false if this server has not issued it.
    pub(crate) fn invalidate(&self, token: &str) -> bool {
        let Some(claims) = self.read(token) else {
            return false;
        };
        self.invalidated.lock().insert(claims.jti.clone());
        true
    }

    /// Makes every token that was issued so far worthless.
    pub(crate) fn invalidate_all(&self) {
        self.cut
            .store(self.issued.load(Ordering::Acquire), Ordering::Release);
    }

    pub(crate) fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
