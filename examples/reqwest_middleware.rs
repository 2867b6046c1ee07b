//! The Torque run through an ordinary reqwest client: `cargo run --release --example reqwest_middleware`.
//!
//! The stack is a middleware among others. Calls are made with reqwest's own request builder; routes, credentials, limit and
//! retries are the same as over hyper.

use std::process::ExitCode;

use bytes::Bytes;
use examples::args::{Args, Part};
use examples::client::{Client, failed};
use examples::tally::Outcome;
use examples::torque_run::Run;
use http::Request;
use http_body_util::{BodyExt, Full};
use reqwest_middleware::ClientWithMiddleware;
use tollgate::context::{BoxError, ClassOverride};
use tower::ServiceBuilder;

/// reqwest with middleware, as the runs see it.
#[derive(Clone)]
struct Reqwest(ClientWithMiddleware);

impl Client for Reqwest {
    async fn call(&self, request: Request<Full<Bytes>>) -> Outcome {
        let (parts, body) = request.into_parts();
        let Ok(body) = body.collect().await;
        let mut call = self
            .0
            .request(parts.method, parts.uri.to_string())
            .headers(parts.headers)
            .body(body.to_bytes());
        // What the path cannot tell travels as an extension here, too.
        if let Some(class) = parts.extensions.get::<ClassOverride>() {
            call = call.with_extension(class.clone());
        }
        match call.send().await {
            Ok(response) => {
                let status = response.status();
                match response.bytes().await {
                    Ok(_) => Outcome::Status(status),
                    Err(_) => Outcome::Unknown,
                }
            }
            Err(error) => failed(&error),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    examples::exit::code(run().await)
}

async fn run() -> Result<ExitCode, BoxError> {
    let Some(args) = Args::from_command_line()? else {
        return Ok(ExitCode::SUCCESS);
    };
    let run = Run::start("reqwest_middleware", args).await?;
    let stack = run.stack();
    // Whatever the layers are: the client below them sends each request once, and follows no redirect.
    let builder = reqwest::Client::builder().no_proxy();
    let client = match run.args().without {
        None | Some(Part::Retry) => reqwest_layer::client(builder, stack.clone()),
        Some(Part::Rate) => {
            let layers = ServiceBuilder::new()
                .layer(stack.retry().clone())
                .layer(stack.auth().gate())
                .layer(run.rate())
                .layer(*stack.peek())
                .layer(stack.auth().attach());
            reqwest_layer::client(builder, layers)
        }
        Some(Part::Gate) => {
            let layers = ServiceBuilder::new()
                .layer(stack.retry().clone())
                .layer(run.rate())
                .layer(*stack.peek())
                .layer(stack.auth().attach());
            reqwest_layer::client(builder, layers)
        }
    }?;
    let json = run.args().json;
    let report = run.drive(Reqwest(client)).await;
    Ok(report.finish(json)?)
}
