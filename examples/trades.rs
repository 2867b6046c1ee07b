//! Trades on a network that breaks: `cargo run --release --example trades`.
//!
//! A server that carries trades out, real sockets, and connections that are refused, dropped before, during and after the
//! server's work, reset, retired or too slow. Exits with 0 only where no trade was carried out twice, and none failed of
//! which nothing had left. With `--naive` it shows what becomes of the same trades where whatever fails is repeated.

use std::process::ExitCode;

use examples::trades::args::Args;
use tollgate::context::BoxError;

#[tokio::main]
async fn main() -> ExitCode {
    examples::exit::code(run().await)
}

async fn run() -> Result<ExitCode, BoxError> {
    let Some(args) = Args::from_command_line()? else {
        return Ok(ExitCode::SUCCESS);
    };
    let report = examples::trades::run::run(args).await?;
    Ok(report.finish(args.json)?)
}
