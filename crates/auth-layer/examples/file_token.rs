//! A token file that another process rotates, here this one: `cargo run -p auth-layer --example file_token`.

use std::convert::Infallible;
use std::fs;
use std::time::Duration;

use auth_layer::{Auth, Slot, source_file};
use call_context::BoxError;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("token");
    fs::write(&path, "first\n")?;

    let source = source_file(&path).recheck(Duration::from_secs(1));
    let slot = Slot::token("cluster", source).origin("https://api.example.com".parse()?);
    let client =
        Auth::single(slot)?
            .layer()
            .layer(service_fn(|request: Request<String>| async move {
                let credential = request.headers()[AUTHORIZATION].to_str();
                let credential = credential.unwrap_or_default().to_owned();
                Ok::<_, Infallible>(Response::new(credential))
            }));
    let send = async || {
        let request = Request::get("https://api.example.com/").body(String::new())?;
        let response = client.clone().oneshot(request).await?;
        println!("sent: {}", response.body());
        Ok::<_, BoxError>(response.into_body())
    };

    send().await?;
    let aside = folder.path().join("aside");
    fs::write(&aside, "second\n")?;
    fs::rename(aside, &path)?;
    println!("the file is rotated");
    for _ in 0..50 {
        if send().await?.ends_with("second") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    fs::remove_file(&path)?;
    println!("the file is gone; its last good value is used on");
    tokio::time::sleep(Duration::from_secs(2)).await;
    send().await?;
    Ok(())
}
