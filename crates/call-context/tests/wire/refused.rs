//! The paths that have led to trouble elsewhere: which are refused, by which name, and how others read them.

use call_context::canonical::check;
use call_context::{ClassifyError, Route, Routes};
use http::{Method, Request};
use url::Url;

const READ_ALIKE: &str = "";

/// The path, how the `url` crate reads it where that differs, and what the error says.
const CASES: &[(&str, &str, &str)] = &[
    (
        "/read/../execute/x",
        "/execute/x",
        "a dot segment at byte 6",
    ),
    ("/read/..", "/", "a dot segment at byte 6"),
    ("/execute/./x", "/execute/x", "a dot segment at byte 9"),
    (
        "/read/%2e%2e/execute/x",
        "/execute/x",
        "a dot segment at byte 6",
    ),
    (
        "/read/%2E%2E/execute/x",
        "/execute/x",
        "a dot segment at byte 6",
    ),
    (
        "/read/.%2e/execute/x",
        "/execute/x",
        "a dot segment at byte 6",
    ),
    (
        "/read/%2e./execute/x",
        "/execute/x",
        "a dot segment at byte 6",
    ),
    (
        "/read/%252e%252e/execute/x",
        READ_ALIKE,
        "a dot segment at byte 6",
    ),
    (
        "/read/..;a=b/execute/x",
        READ_ALIKE,
        "a dot segment at byte 6",
    ),
    (
        "/read/..%2fexecute/x",
        READ_ALIKE,
        "a dot segment at byte 6",
    ),
    (
        "/read/a%2fb",
        READ_ALIKE,
        "a percent-encoded slash at byte 7",
    ),
    (
        "/read/a%2Fb",
        READ_ALIKE,
        "a percent-encoded slash at byte 7",
    ),
    (
        "/read/a%252fb",
        READ_ALIKE,
        "a percent-encoded slash at byte 7",
    ),
    (
        "/read/a%5cb",
        READ_ALIKE,
        "a percent-encoded backslash at byte 7",
    ),
    (
        "/read/a%255Cb",
        READ_ALIKE,
        "a percent-encoded backslash at byte 7",
    ),
    ("/read\\..\\execute", "/execute", "a backslash at byte 5"),
    ("/read\\a", "/read/a", "a backslash at byte 5"),
    ("//execute/x", READ_ALIKE, "an empty segment at byte 1"),
    ("/read//x", READ_ALIKE, "an empty segment at byte 6"),
    ("/read/a%00", READ_ALIKE, "a control character at byte 7"),
    (
        "/read/%0d%0aHost:x",
        READ_ALIKE,
        "a control character at byte 6",
    ),
    ("/read/%7f", READ_ALIKE, "a control character at byte 6"),
    (
        "/%65xecute/x",
        READ_ALIKE,
        "a percent-encoded character that needs no encoding at byte 1",
    ),
    (
        "/%2Ewell-known",
        READ_ALIKE,
        "a percent-encoded character that needs no encoding at byte 1",
    ),
    (
        "/read/%c0%ae%c0%ae/execute",
        READ_ALIKE,
        "a percent-encoded character in an overlong form at byte 6",
    ),
    (
        "/read/a%e0%80%afb",
        READ_ALIKE,
        "a percent-encoded character in an overlong form at byte 7",
    ),
    (
        "/accounts/%40me",
        READ_ALIKE,
        "a percent-encoded character of another route's name at byte 10",
    ),
    (
        "/read/%zz",
        READ_ALIKE,
        "a percent sign without two hexadecimal digits at byte 6",
    ),
    (
        "/read/a%",
        READ_ALIKE,
        "a percent sign without two hexadecimal digits at byte 7",
    ),
    (
        "/read/a{b}",
        "/read/a%7Bb%7D",
        "a character that must be percent-encoded at byte 7",
    ),
    (
        "/read/a\"b",
        "/read/a%22b",
        "a character that must be percent-encoded at byte 7",
    ),
    (
        "/read/caf\u{e9}",
        "/read/caf%C3%A9",
        "a character that must be percent-encoded at byte 9",
    ),
];

fn table() -> Routes {
    Routes::new([
        Route::new(Method::GET, "/read/{*rest}", "read"),
        Route::new(Method::GET, "/execute/{*rest}", "execute"),
        Route::new(Method::GET, "/accounts/@me", "me"),
        Route::new(Method::GET, "/{*rest}", "other"),
    ])
    .expect("a valid table")
}

#[test]
fn every_ambiguous_path_is_refused_by_name() {
    for (path, to_url, offence) in CASES {
        let request = Request::get(format!("https://api.example.com{path}")).body(());
        let request = request.expect(path);
        assert_eq!(request.uri().path(), *path, "http::Uri keeps it");
        let error = table().classify(&request).expect_err(path);
        assert!(matches!(error, ClassifyError::Path(_)), "{path}");
        assert_eq!(
            error.to_string(),
            format!("the path is ambiguous: {offence}"),
            "{path}"
        );

        let url = Url::parse(&request.uri().to_string()).expect("a URL");
        let read = if to_url.is_empty() { path } else { to_url };
        assert_eq!(url.path(), *read, "{path}");
    }
}

#[test]
fn what_no_uri_can_hold_is_refused_as_well() {
    for (path, offence) in [
        ("/read/\0", "a control character at byte 6"),
        ("/read/a\r\nHost: x", "a control character at byte 7"),
        ("/read/a\tb", "a control character at byte 7"),
        (
            "/read/a b",
            "a character that must be percent-encoded at byte 7",
        ),
        (
            "/read/a?b",
            "a character that must be percent-encoded at byte 7",
        ),
        (
            "/read/a#b",
            "a character that must be percent-encoded at byte 7",
        ),
    ] {
        let error = check(path).expect_err(path);
        assert_eq!(
            error.to_string(),
            format!("the path is ambiguous: {offence}"),
            "{path:?}"
        );
    }
}

#[test]
fn what_is_allowed_gets_its_class() {
    for (path, class) in [
        ("/execute/trades;v=2", "execute"),
        ("/execute/;x", "execute"),
        ("/execute/a@b:c", "execute"),
        ("/execute/a%20b", "execute"),
        ("/execute/caf%C3%A9", "execute"),
        ("/read/a..b", "read"),
        ("/read/...", "read"),
        ("/execute", "other"),
        ("/execute;x/trades", "other"),
    ] {
        let request = Request::get(format!("https://api.example.com{path}")).body(());
        let table = table();
        let found = table.classify(&request.expect(path)).expect(path);
        assert_eq!(found.map(|found| found.as_str()), Some(class), "{path}");
    }
}
