//! A key from the environment: `API_TOKEN=sk_live_1 cargo run -p auth-layer --example env_key`.
//!
//! Without the variable it shows what the refusal says.

use std::convert::Infallible;

use auth_layer::{Auth, Slot, source_env};
use call_context::BoxError;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let slot = Slot::token("business", source_env("API_TOKEN"));
    let auth = Auth::single(slot.origin("https://api.example.com".parse()?))?;
    // In a program of your own: a hyper or reqwest client.
    let api = service_fn(|request: Request<String>| async move {
        let credential = request.headers().get(AUTHORIZATION);
        println!("the server sees {credential:?}, which does not print");
        Ok::<_, Infallible>(Response::new(String::new()))
    });

    let request = Request::get("https://api.example.com/").body(String::new())?;
    if let Err(error) = auth.layer().layer(api).oneshot(request).await {
        let causes = std::iter::successors(Some(&*error as &dyn std::error::Error), |e| e.source());
        for cause in causes {
            println!("{cause}");
        }
    }
    Ok(())
}
