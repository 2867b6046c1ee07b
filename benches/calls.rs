//! The requests of a client of an API, and the service that answers them at once.

use std::convert::Infallible;
use std::future::{Ready, ready};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;

/// A body that is there as a whole.
pub type Body = Full<Bytes>;

/// A GET without a body.
pub fn get_empty<B: From<Bytes>>() -> Request<B> {
    request(Method::GET, Bytes::new())
}

/// A POST of 1 KiB, with a buffer of its own, as it comes from a serialiser.
pub fn post_1k<B: From<Bytes>>() -> Request<B> {
    request(Method::POST, Bytes::from(vec![b'x'; 1024]))
}

/// With eight headers, no credential among them: four of values that programs have as constants, four that are made for the
/// one request.
fn request<B: From<Bytes>>(method: Method, body: Bytes) -> Request<B> {
    Request::builder()
        .method(method)
        .uri("https://api.example.com/v1/accounts/8c1f/orders?status=open&limit=50")
        .header("accept", "application/json")
        .header("accept-encoding", "gzip, br")
        .header("content-type", "application/json")
        .header("user-agent", "trading-desk/2.3.1")
        .header("x-request-id", made("2b0c7a52-6a1e-4f0e-9a8e-7d3f51c7b9aa"))
        .header(
            "traceparent",
            made("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        )
        .header("x-account-id", made("8c1f0d7e"))
        .header("if-match", made("\"5e0f3c9b71\""))
        .body(body.into())
        .expect("a valid request")
}

/// A value that the program has put together.
fn made(value: &str) -> String {
    value.to_owned()
}

/// Answers at once, and frees the request: what a copy of it makes dearer there is to be seen.
pub fn answer_call(_: Request<Body>) -> Ready<Result<Response<Body>, Infallible>> {
    ready(Ok(Response::new(Body::default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_eight_headers_and_no_credential() {
        for request in [get_empty::<Body>(), post_1k()] {
            assert_eq!(request.headers().len(), 8);
            assert!(!request.headers().contains_key("authorization"));
            assert!(request.extensions().is_empty());
        }
    }
}
