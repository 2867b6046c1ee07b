//! A toy OAuth server on this machine, so that the examples run without one.

use std::collections::HashMap;
use std::convert::Infallible;

use auth_layer::oauth::OAuthClient;
use bytes::Bytes;
use call_context::BoxError;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

/// What the program sends its requests with; one of your own would speak TLS.
pub(crate) fn http() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// A program that the server knows, and the server's origin.
pub(crate) async fn start() -> Result<(OAuthClient, String), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = hyper::service::service_fn(answer);
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service);
            tokio::spawn(connection);
        }
    });
    let oauth = OAuthClient::new(&format!("{origin}/token"), "example", http())?;
    Ok((oauth.secret("s3cr3t"), origin))
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    let query = request.uri().query().unwrap_or_default().to_owned();
    match request.uri().path() {
        // Whoever comes agrees to everything.
        "/authorize" => {
            let query: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
            let back = query.get("redirect_uri").map_or("", |uri| uri);
            let state = query.get("state").map_or("", |state| state);
            let back = Url::parse_with_params(back, [("code", "c1"), ("state", state)]);
            let back = back.ok().and_then(|back| back.as_str().parse().ok());
            *response.status_mut() = StatusCode::BAD_REQUEST;
            if let Some(back) = back {
                *response.status_mut() = StatusCode::FOUND;
                response.headers_mut().insert(LOCATION, back);
            }
        }
        "/token" => {
            let body = request.into_body().collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            let grant = form_urlencoded::parse(&body).find(|(name, _)| name == "grant_type");
            let grant = grant.map_or_else(String::new, |(_, grant)| grant.into_owned());
            println!("the server is asked for a token: {grant}");
            let json = http::HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            let token = r#"{"access_token":"a.b.c","token_type":"Bearer","expires_in":3600,"refresh_token":"r1"}"#;
            *response.body_mut() = token.into();
        }
        _ => {
            let credential = request.headers().get("authorization");
            let known = credential.is_some_and(|value| value == "Bearer a.b.c");
            let says: &[u8] = if known { b"welcome" } else { b"who are you?" };
            *response.body_mut() = Bytes::from_static(says).into();
        }
    }
    Ok(response)
}
