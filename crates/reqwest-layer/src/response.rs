//! Responses to and from reqwest, with their URL.

use bytes::Bytes;
use call_context::BoxError;
use http::{Extensions, Response};
use http_body::Body as HttpBody;
use reqwest::{ResponseBuilderExt, Url};

use crate::body;

/// Turns the response of a stack over [`Reqwest`](crate::Reqwest) into reqwest's, for the sake of its methods (`text`,
/// `json`, `error_for_status`).
///
/// Status, version, headers, extensions and the remote address stay; the URL is that of the request that was answered.
/// `reqwest::Response::from` does the same, for bodies that reqwest knows; this takes whatever body the layers made of
/// them. A response that did not come from reqwest has no URL, and gets reqwest's placeholder.
pub fn into_response<B>(response: Response<B>) -> reqwest::Response
where
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + 'static,
{
    response.map(body::into_reqwest).into()
}

/// Turns reqwest's response into an `http` one that still knows its URL: `reqwest::Response::from` finds it again.
pub(crate) fn from_reqwest(response: reqwest::Response) -> Response<reqwest::Body> {
    let url = url_extension(response.url().clone());
    let mut response = Response::<reqwest::Body>::from(response);
    response.extensions_mut().extend(url);
    response
}

/// The extension in which reqwest looks for a response's URL.
pub(crate) fn url_extension(url: Url) -> Extensions {
    let (parts, ()) = http::response::Builder::new()
        .url(url)
        .body(())
        .unwrap_or_default()
        .into_parts();
    parts.extensions
}

/// Turns a response into reqwest's. One that a layer made, and that has no URL of its own, gets that of the request.
#[cfg(feature = "middleware")]
pub(crate) fn into_reqwest(
    mut response: Response<reqwest::Body>,
    requested: Url,
) -> reqwest::Response {
    let mut extensions = url_extension(requested);
    extensions.extend(std::mem::take(response.extensions_mut()));
    *response.extensions_mut() = extensions;
    response.into()
}
