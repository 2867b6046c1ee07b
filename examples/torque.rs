//! A Torque client under fire: `cargo run --release --example torque`.
//!
//! Starts the sandbox's Torque on a free port, drives it through the whole stack over hyper, and prints what the server saw. Exits
//! with 0 only where that is clean.

use std::process::ExitCode;

use bytes::Bytes;
use examples::args::{Args, Part};
use examples::client::Tower;
use examples::torque_run::Run;
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
    let run = Run::start("torque", args).await?;
    let client = Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .build_http::<Full<Bytes>>();
    let json = run.args().json;
    let report = match run.args().without {
        // The blessed way: the stack as one layer.
        None | Some(Part::Retry) => {
            let torque = ServiceBuilder::new()
                .layer(run.stack().clone())
                .service(client);
            run.drive(Tower(torque)).await
        }
        // By hand, with a part left out.
        Some(Part::Rate) => {
            let torque = ServiceBuilder::new()
                .layer(run.stack().retry().clone())
                .layer(run.stack().auth().gate())
                .layer(run.rate())
                .layer(*run.stack().peek())
                .layer(run.stack().auth().attach())
                .service(client);
            run.drive(Tower(torque)).await
        }
        Some(Part::Gate) => {
            let torque = ServiceBuilder::new()
                .layer(run.stack().retry().clone())
                .layer(run.rate())
                .layer(*run.stack().peek())
                .layer(run.stack().auth().attach())
                .service(client);
            run.drive(Tower(torque)).await
        }
    };
    Ok(report.finish(json)?)
}
