//! The rate layer on a bad network for as long as you like: `cargo run --release --example soak -- --seconds 60`.
//!
//! A server that allows 50 requests in any 5 seconds, real sockets, latency, broken connections, and callers who give up at
//! any moment. Exits with 0 only where the server never had to say 429, and no place was lost.

use std::process::ExitCode;

use examples::soak::args::Args;
use tollgate::context::BoxError;

#[tokio::main]
async fn main() -> ExitCode {
    examples::exit::code(run().await)
}

async fn run() -> Result<ExitCode, BoxError> {
    let Some(args) = Args::from_command_line()? else {
        return Ok(ExitCode::SUCCESS);
    };
    let json = args.json;
    let report = examples::soak::run::run(args).await?;
    Ok(report.finish(json)?)
}
