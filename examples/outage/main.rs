//! What retries cost in an outage: `cargo run --release --example outage`.
//!
//! Drives real retry layers against a simulated server in virtual time, and prints how many attempts a request makes.

use std::process::ExitCode;

fn main() -> ExitCode {
    outage::program::main()
}
