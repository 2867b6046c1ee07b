//! The policies: published layers, set as their documentation says.
//!
//! Tokio's clock is all that they wait by, so virtual time holds for all of them.

mod reqwest_retry;
mod tollgate;
mod tower;

use std::fmt;

use ::tower::util::BoxCloneService;
use ::tower::{BoxError, ServiceExt};
use http::{Request, StatusCode};

use crate::server::Server;

/// A service that sends, and sends again as it sees fit. Clones share what the policy remembers.
pub type Client = BoxCloneService<Request<()>, StatusCode, BoxError>;

/// A policy: its name, and how it is put around the server.
#[derive(Clone, Copy)]
pub struct Policy {
    /// Its name in the JSON.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    around: fn(Server, u64) -> Client,
}

impl Policy {
    /// Puts the policy, new, around `server`; what it draws comes from `seed`.
    ///
    /// Must run on the thread and inside of the runtime that will drive it.
    #[must_use]
    pub fn around(&self, server: Server, seed: u64) -> Client {
        (self.around)(server, seed)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All policies, the one of this project first and the control last.
pub const POLICIES: &[Policy] = &[
    Policy {
        name: "tollgate",
        what: "RetryLayer::new(): 3 attempts, pauses up to 50 ms and 100 ms, budget 10 + 0.2 a success + 0.1 a second, of which a dial in vain takes 0.2",
        around: tollgate::around,
    },
    Policy {
        name: "tower",
        what: "tower's Retry: its TpsBudget (10 a second, 20 %, 10 s) and ExponentialBackoff (from 50 ms) by default, 3 attempts",
        around: tower::around,
    },
    Policy {
        name: "reqwest_retry",
        what: "reqwest-retry's middleware: ExponentialBackoff (from 1 s) with 3 retries, as in its documentation; no budget",
        around: reqwest_retry::around,
    },
    Policy {
        name: "none",
        what: "the control: each request is sent once",
        around: |server, _| server.map_response(|r| r.status()).boxed_clone(),
    },
];
