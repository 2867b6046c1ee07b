//! The clients that errors are read from: hyper-util's legacy one, and reqwest.

use std::fmt;
use std::net::SocketAddr;

use call_context::BoxError;
use http::StatusCode;
use http_body_util::BodyExt;

use super::{Body, Plain, client, http2_client, post, within};

/// A client. It follows no redirects and, but for what hyper-util does below reqwest, repeats nothing on its own.
#[derive(Clone)]
pub(crate) enum Via {
    HyperUtil(Box<Plain>),
    Reqwest(reqwest::Client),
}

impl Via {
    /// Both, for HTTP/1.1.
    pub(crate) fn http1() -> [Self; 2] {
        let reqwest = once().build().expect("a client");
        [Self::HyperUtil(Box::new(client())), Self::Reqwest(reqwest)]
    }

    /// Both, for HTTP/2 with prior knowledge.
    pub(crate) fn http2() -> [Self; 2] {
        let reqwest = once().http2_prior_knowledge().build().expect("a client");
        [
            Self::HyperUtil(Box::new(http2_client())),
            Self::Reqwest(reqwest),
        ]
    }

    /// Sends a POST.
    pub(crate) async fn post(
        self,
        address: SocketAddr,
        body: Body,
    ) -> Result<StatusCode, BoxError> {
        let request = post(address, body);
        match self {
            Self::HyperUtil(client) => Ok(client.request(request).await?.status()),
            Self::Reqwest(client) => {
                let body = reqwest::Body::wrap_stream(request.into_body().into_data_stream());
                let call = client.post(format!("http://{address}/execute/trades"));
                Ok(call.body(body).send().await?.status())
            }
        }
    }

    /// The error of a POST that must not succeed.
    pub(crate) async fn error(self, address: SocketAddr, body: Body) -> BoxError {
        match within(self.post(address, body)).await {
            Ok(status) => panic!("answered {status}"),
            Err(error) => error,
        }
    }
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HyperUtil(_) => "hyper-util",
            Self::Reqwest(_) => "reqwest",
        })
    }
}

/// What the layers ask of reqwest: no redirects, no retries.
pub(crate) fn once() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
}
