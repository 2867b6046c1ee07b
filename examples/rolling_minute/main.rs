//! The rolling minute in public: `cargo run --release --example rolling_minute`.
//!
//! Drives real rate limiters against simulated servers in virtual time, and prints how many 429s each draws.

use std::process::ExitCode;

fn main() -> ExitCode {
    rolling_minute::program::main()
}
