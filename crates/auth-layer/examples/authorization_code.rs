//! A person logs in, and the program goes on acting for them:
//! `cargo run -p auth-layer --features oauth2 --example authorization_code`.

mod local;

use auth_layer::{Auth, Slot};
use bytes::Bytes;
use call_context::BoxError;
use http::Request;
use http::header::LOCATION;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let (oauth, origin) = local::start().await?;
    let source = oauth.refresh_token();
    let slot = Slot::token("person", source.clone()).origin(origin.parse()?);
    let auth = Auth::single(slot)?;
    let client = auth.layer().layer(local::http());

    let login = oauth
        .authorization_code(&format!("{origin}/authorize"))?
        .scope("offline_access");
    let grant = login.log_in(|url| {
        println!("a program of your own would open {url}");
        tokio::spawn(browser(url.to_owned()));
        Ok(())
    });
    source.adopt(grant.await?);

    for round in ["with the log-in's token", "with a renewed one"] {
        let request = Request::get(format!("{origin}/me")).body(Full::<Bytes>::default())?;
        let response = client.clone().oneshot(request).await?;
        let body = response.into_body().collect().await?.to_bytes();
        println!(
            "{round}: the API says \"{}\"",
            String::from_utf8_lossy(&body)
        );
        if let Some(token) = auth.token("person") {
            token.invalidate();
        }
    }
    Ok(())
}

/// Plays the person's browser: opens the page, and follows where it leads.
async fn browser(url: String) -> Result<(), BoxError> {
    let get = async |url: &str| {
        let request = Request::get(url).body(Full::<Bytes>::default())?;
        Ok::<_, BoxError>(local::http().request(request).await?)
    };
    let agreed = get(&url).await?;
    let back = agreed.headers().get(LOCATION).ok_or("no redirect")?;
    get(back.to_str()?).await?;
    Ok(())
}
