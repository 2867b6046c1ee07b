//! What retries cost in an outage, and what they mend: real retry layers against a simulated server, in virtual time.
//!
//! `cargo run --release --example outage` makes all runs. Each has one policy, one load and one rate of requests, on a tokio
//! runtime of its own whose clock is paused: it jumps to the next timer whenever nothing else is to do. The layers are the
//! published crates; what is simulated is the server.

pub mod args;
pub mod arrivals;
pub mod chart;
pub mod check;
pub mod figures;
pub mod grid;
pub mod load;
pub mod log;
mod nowhere;
pub mod policy;
pub mod program;
pub mod run;
pub mod server;
pub mod table;
