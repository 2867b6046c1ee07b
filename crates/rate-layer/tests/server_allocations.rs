//! Reading what a server says costs no allocation.
#![cfg(not(loom))]

use allocation_counter::measure;
use http::{HeaderName, HeaderValue, Response};
use rate_layer::{
    Dialect, Draft6, Draft7, Ietf, ResponseHead, Standard, Statements, UsedWeight, XRateLimit,
};

type Header = (&'static str, &'static str);

fn response(headers: &[Header]) -> Response<()> {
    let mut response = Response::new(());
    for &(name, value) in headers {
        let name = HeaderName::from_static(name);
        let value = HeaderValue::from_static(value);
        response.headers_mut().append(name, value);
    }
    response
}

/// How many statements `dialect` reads from `response`; fails if that takes an allocation.
fn read(dialect: &dyn Dialect, response: &Response<()>) -> usize {
    let mut statements = Statements::new();
    let head = ResponseHead::of(response);
    let allocations = measure(|| dialect.read(&head, &mut statements));
    assert_eq!(allocations.count_total, 0, "{:?}", response.headers());
    statements.len()
}

#[test]
fn no_dialect_allocates_whether_its_headers_are_there_or_not() {
    let requests = XRateLimit::new().suffix("requests");
    let weight = UsedWeight::prefixed("x-mbx-used-weight");
    let named = [
        (
            "ratelimit-policy",
            r#""burst";q=100;w=60, "daily";q=1000;w=86400"#,
        ),
        ("ratelimit", r#""burst";r=50;t=30"#),
    ];
    let joint = [
        ("ratelimit-policy", "2;w=60"),
        ("ratelimit", "limit=2, remaining=1, reset=60"),
    ];
    let apart = [
        ("ratelimit-policy", "2;w=60"),
        ("ratelimit-limit", "2"),
        ("ratelimit-remaining", "1"),
        ("ratelimit-reset", "60"),
    ];
    let github = [
        ("date", "Tue, 05 Jan 2021 10:59:00 GMT"),
        ("x-ratelimit-limit", "5000"),
        ("x-ratelimit-remaining", "4999"),
        ("x-ratelimit-reset", "1609844400"),
        ("x-ratelimit-used", "1"),
    ];
    let openai = [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-reset-requests", "1m0.5s"),
    ];
    let binance = [("x-mbx-used-weight-1m", "237")];
    let plain = [
        ("date", "Tue, 05 Jan 2021 10:59:00 GMT"),
        ("content-type", "application/json"),
        ("etag", "\"5f4dcc3b\""),
        ("x-request-id", "f058ebd6-02f7-4d3f-942e-904344e8cde5"),
    ];
    let cases: [(&dyn Dialect, &[Header], usize); 9] = [
        (&Ietf, &named, 2),
        (&Draft7, &joint, 1),
        (&Draft6, &apart, 1),
        (&XRateLimit::new(), &github, 1),
        (&requests, &openai, 1),
        (&weight, &binance, 1),
        (&Standard, &named, 2),
        (&Standard, &apart, 1),
        (&Standard, &github, 1),
    ];
    for (dialect, headers, expected) in cases {
        assert_eq!(read(dialect, &response(headers)), expected, "{headers:?}");
        assert_eq!(read(dialect, &response(&plain)), 0);
        assert_eq!(read(dialect, &response(&[])), 0);
    }
}
