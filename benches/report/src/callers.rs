//! What the bench `callers` has reported.

use serde::Deserialize;

/// The report: `cargo bench -p benches --bench callers -- --json`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Callers {
    pub(crate) callers: u32,
    pub(crate) rounds: u32,
    /// In the round with the most.
    pub(crate) token_requests: u32,
    /// The median of the rounds.
    pub(crate) last_caller_late_ms: f64,
}

impl Callers {
    pub(crate) fn parse(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }
}
