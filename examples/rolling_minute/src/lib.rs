//! The rolling minute in public: real limiters against simulated servers, in virtual time.
//!
//! `cargo run --release --example rolling_minute` runs them all. Each run has one limiter, one server, one latency and one
//! load, on a tokio runtime of its own whose clock is paused: it jumps to the next timer whenever nothing else is to do, so
//! hours pass in milliseconds. The limiters are the published crates, unchanged; what is simulated is the server and the
//! way to it.

pub mod args;
pub mod arrivals;
pub mod chart;
pub mod check;
pub mod grid;
pub mod latency;
pub mod limiter;
pub mod load;
pub mod network;
pub mod program;
pub mod run;
pub mod server;
pub mod table;
