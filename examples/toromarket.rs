//! A Toromarket agent: `cargo run --release --example toromarket`.
//!
//! Starts the sandbox's Toromarket on a free port, registers an agent, drives it through the whole stack over hyper, and prints what
//! the server saw. Exits with 0 only where that is clean.

use std::process::ExitCode;

use bytes::Bytes;
use examples::args::{Args, Part};
use examples::client::Tower;
use examples::toromarket_run::Run;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tollgate::context::BoxError;
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> ExitCode {
    examples::exit::code(run().await)
}

async fn run() -> Result<ExitCode, BoxError> {
    let Some(args) = Args::from_command_line()? else {
        return Ok(ExitCode::SUCCESS);
    };
    let run = Run::start(args).await?;
    let json = run.args().json;
    if !json {
        println!("the operator claims this agent at {}", run.claim_url());
    }
    let client = Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .build_http::<Full<Bytes>>();
    let stack = run.stack().stack();
    let report = match run.args().without {
        // The blessed way: the stack as one layer.
        None | Some(Part::Retry) => {
            let toromarket = ServiceBuilder::new()
                .layer(run.stack().clone())
                .service(client);
            run.drive(Tower(toromarket)).await
        }
        // By hand, with a part left out.
        Some(Part::Rate) => {
            let toromarket = ServiceBuilder::new()
                .layer(run.stack().session().clone())
                .layer(stack.retry().clone())
                .layer(stack.auth().gate())
                .layer(run.rate())
                .layer(*stack.peek())
                .layer(stack.auth().attach())
                .service(client);
            run.drive(Tower(toromarket)).await
        }
        Some(Part::Gate) => {
            let toromarket = ServiceBuilder::new()
                .layer(run.stack().session().clone())
                .layer(stack.retry().clone())
                .layer(run.rate())
                .layer(*stack.peek())
                .layer(stack.auth().attach())
                .service(client);
            run.drive(Tower(toromarket)).await
        }
    };
    Ok(report.finish(json)?)
}
