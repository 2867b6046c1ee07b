//! What the bench `waiters` has reported.

use serde::Deserialize;

/// The report: `cargo bench -p benches --bench waiters -- --json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) waiters: u32,
    pub(crate) limit: u32,
    pub(crate) window_ms: u32,
    pub(crate) limiters: Vec<Waited>,
}

/// What waiting costs at one limiter.
#[derive(Debug, Deserialize)]
pub(crate) struct Waited {
    pub(crate) limiter: String,
    pub(crate) cpu_us_per_grant: f64,
    pub(crate) polls_per_grant: f64,
    /// A share of 1.
    pub(crate) out_of_order: f64,
}

impl Waiting {
    pub(crate) fn parse(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    pub(crate) fn limiter(&self, name: &str) -> Option<&Waited> {
        self.limiters.iter().find(|waited| waited.limiter == name)
    }
}
