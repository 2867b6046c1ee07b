//! A program that acts for itself: `cargo run -p auth-layer --features oauth2 --example client_credentials`.

mod local;

use auth_layer::{Auth, Slot};
use bytes::Bytes;
use call_context::BoxError;
use futures_util::future::try_join_all;
use http::Request;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let (oauth, origin) = local::start().await?;
    let source = oauth
        .client_credentials()
        .scope("read")
        .param("audience", "https://api.example.com");
    let slot = Slot::token("api", source).origin(origin.parse()?);
    let client = Auth::single(slot)?.layer().layer(local::http());

    let call = async |n: u32| {
        let request = Request::get(format!("{origin}/orders/{n}")).body(Full::<Bytes>::default())?;
        let response = client.clone().oneshot(request).await?;
        let body = response.into_body().collect().await?.to_bytes();
        Ok::<_, BoxError>(String::from_utf8_lossy(&body).into_owned())
    };
    let answers = try_join_all((0..10).map(call)).await?;
    println!(
        "{} calls, one token: the API says \"{}\"",
        answers.len(),
        answers[0]
    );
    Ok(())
}
