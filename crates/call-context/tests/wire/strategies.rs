//! Paths: whatever `http::Uri` takes, and what attackers write.

use http::uri::PathAndQuery;
use proptest::prelude::*;

/// Pieces that have made two programs read one path in two ways.
const HOSTILE: &[&str] = &[
    "/",
    "//",
    "/./",
    "/../",
    ".",
    "..",
    "...",
    "%2e",
    "%2E",
    ".%2e",
    "%252e",
    "%25252E",
    "%2f",
    "%2F",
    "%252f",
    "%5c",
    "%255C",
    "\\",
    "%00",
    "\0",
    "%0d%0a",
    "\r\n",
    "\t",
    "\u{7f}",
    "%7f",
    "%2500",
    " ",
    "%20",
    "%",
    "%2",
    "%zz",
    "%25",
    "%2525",
    "%41",
    "%65",
    "%7E",
    "%2541",
    ";",
    ";x=1",
    "..;",
    "%3b",
    "%3B",
    "?",
    "%3f",
    "#",
    "%23",
    "@",
    ":",
    "%c0%ae",
    "%c0%af",
    "%C3%A9",
    "%e9",
    "\u{e9}",
    "\u{ff0e}",
    "%EF%BC%8F",
    "{",
    "}",
    "{id}",
    "|",
    "^",
    "`",
    "\"",
    "<",
    "[",
    "*",
];

/// Harmless pieces between them.
const PLAIN: &[&str] = &[
    "execute",
    "read",
    "trades",
    "a",
    "b-c",
    "d_e",
    "~f",
    "!$&'()*+,=",
    "0",
    "%20",
    "%C3%A9",
];

fn piece() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        2 => prop::sample::select(HOSTILE),
        2 => prop::sample::select(PLAIN),
        2 => Just("/"),
    ]
}

/// Pieces in any order, hostile ones among them. `http::Uri` need not take the result.
pub(crate) fn mutated() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// Whatever `http::Uri` takes as a path.
pub(crate) fn arbitrary() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "/[!-~]{0,24}",
        "/(%[0-9a-fA-F]{2}|[a-z./;]){0,12}",
        "/\\PC{0,12}"
    ];
    text.prop_filter_map("no path to http::Uri", |text| {
        let parsed = PathAndQuery::try_from(text).ok()?;
        Some(parsed.path().to_owned())
    })
}

/// Paths that are canonical more often than not.
pub(crate) fn mostly_canonical() -> impl Strategy<Value = String> {
    let segment = "([a-zA-Z0-9._~!$&'()*+,;=:@-]|%(20|25|3F|23|22|7B|C3%A9|E2%82%AC)){1,8}";
    prop::collection::vec(segment, 0..6).prop_map(|segments| format!("/{}", segments.join("/")))
}
