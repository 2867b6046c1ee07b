//! The text of every refusal: what is wrong and what to change, without an echo.

use std::error::Error;

use call_context::{ClassifyError, Origin, OriginError, Route, Routes, canonical};
use http::{Method, Request};

#[test]
fn no_origin() {
    for (text, error, shown) in [
        (
            "not a uri",
            OriginError::Malformed,
            "not a URI; write an origin as https://host or https://host:port",
        ),
        (
            "/canary",
            OriginError::Relative,
            "the URI is relative; give scheme and host, as in https://host/path",
        ),
        (
            "ftp://canary.example",
            OriginError::Scheme,
            "the URI's scheme is neither http nor https",
        ),
        (
            "https://u:canary@h.example",
            OriginError::UserInformation,
            "the URI has a user name or password before its host; remove it",
        ),
        (
            "https://127.1",
            OriginError::Host,
            "the URI's host is empty or written in a way that URL libraries rewrite; use the plain name or address",
        ),
        (
            "https://h.example:99999",
            OriginError::Port,
            "the URI's port is not a number between 0 and 65535",
        ),
        (
            "https://h.example/canary",
            OriginError::Path,
            "an origin has no path, query or fragment; write https://host or https://host:port",
        ),
    ] {
        assert_eq!(text.parse::<Origin>(), Err(error));
        assert_eq!(error.to_string(), shown);
    }
}

#[test]
fn no_table_of_routes() {
    let table = |patterns: &[&str]| {
        let routes = patterns
            .iter()
            .map(|pattern| Route::new(Method::GET, *pattern, "a"));
        let error = Routes::new(routes).expect_err("no table");
        let cause = error.source().map(|cause| format!(": {cause}"));
        format!("{error}{}", cause.unwrap_or_default())
    };
    assert_eq!(
        table(&["/users/{id}", "/users/{name}"]),
        "the route GET /users/{name} matches the same requests as /users/{id}"
    );
    assert_eq!(
        table(&["/a/../b"]),
        "the route GET /a/../b can never match: the path is ambiguous: a dot segment at byte 3"
    );
    assert_eq!(
        table(&["/caf%C3%A9"]),
        "the route GET /caf%C3%A9 is percent-encoded; write what must be encoded as a parameter"
    );
    assert!(table(&["/{a"]).starts_with("the route GET /{a is malformed: "));
}

#[test]
fn no_class() {
    let routes = Routes::new([Route::new(Method::GET, "/a", "a")]).expect("a table");
    let request = Request::get("https://h.example/canary/%2e%2e/a").body(());
    let error = routes.classify(&request.expect("a request"));
    let error = error.expect_err("a dot segment");
    assert!(matches!(&error, ClassifyError::Path(path)
        if path.offence() == canonical::Offence::DotSegment));
    assert_eq!(
        error.to_string(),
        "the path is ambiguous: a dot segment at byte 8"
    );
}
