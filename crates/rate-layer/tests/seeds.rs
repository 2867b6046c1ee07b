//! What is read from captured headers: the seeds of the fuzz targets, and each of them cut and spoilt in every place.
#![cfg(not(loom))]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Response};
use rate_layer::{
    Dialect, Draft6, Draft7, Ietf, MINUTE, ResponseHead, SECOND, Standard, Stated, Statements,
    UsedWeight, XRateLimit,
};

const HOUR: Duration = Duration::from_secs(3600);
const MS: Duration = Duration::from_millis(1);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds")
}

/// The seeds of every target, by `target/name`.
fn seeds() -> BTreeMap<String, Vec<u8>> {
    let mut seeds = BTreeMap::new();
    for target in fs::read_dir(folder()).expect("seeds") {
        let target = target.expect("a folder");
        for seed in fs::read_dir(target.path()).expect("a folder") {
            let seed = seed.expect("a file");
            let name = Path::new(&target.file_name()).join(seed.file_name());
            let block = fs::read(seed.path()).expect("a file");
            seeds.insert(name.to_string_lossy().into_owned(), block);
        }
    }
    seeds
}

/// Makes a response of header lines; lines that cannot be headers are left out.
fn response(block: &[u8]) -> Response<()> {
    let mut response = Response::new(());
    for line in block.split(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(line[..colon].trim_ascii());
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn read(dialect: &dyn Dialect, block: &[u8]) -> Statements {
    let response = response(block);
    let mut statements = Statements::new();
    dialect.read(&ResponseHead::of(&response), &mut statements);
    statements
}

/// The dialects that a target is for.
fn dialects(target: &str) -> Vec<Box<dyn Dialect>> {
    match target {
        "ietf" => vec![Box::new(Ietf)],
        "draft7" => vec![Box::new(Draft7)],
        "draft6" => vec![Box::new(Draft6)],
        "x_ratelimit" => vec![
            Box::new(XRateLimit::new()),
            Box::new(XRateLimit::prefixed("x-rate-limit")),
            Box::new(XRateLimit::new().suffix("requests")),
        ],
        "used_weight" => vec![
            Box::new(UsedWeight::prefixed("x-mbx-used-weight")),
            Box::new(UsedWeight::prefixed("x-mbx-order-count")),
        ],
        _ => vec![],
    }
}

#[test]
fn captured_headers_say_what_their_servers_meant() {
    let none = Stated::new();
    let mut expected = BTreeMap::from([
        (
            "draft6/before_draft_4",
            vec![
                none.limit(10).remaining(9).reset(SECOND).window(SECOND),
                none.limit(1000).window(HOUR),
            ],
        ),
        (
            "draft6/docker_hub",
            vec![none.limit(100).remaining(76).window(6 * HOUR)],
        ),
        (
            "draft6/gitlab",
            vec![none.limit(2000).remaining(1999).reset(24 * SECOND)],
        ),
        (
            "draft6/kong",
            vec![none.limit(10).remaining(9).reset(47 * SECOND)],
        ),
        (
            "draft6/policy",
            vec![
                none.limit(100)
                    .remaining(50)
                    .reset(5 * SECOND)
                    .window(10 * SECOND),
                none.limit(5000).window(HOUR),
            ],
        ),
        (
            "draft7/express",
            vec![
                none.limit(100)
                    .remaining(99)
                    .reset(15 * MINUTE)
                    .window(15 * MINUTE),
            ],
        ),
        (
            "draft7/several_lines",
            vec![
                none.limit(2).remaining(1).reset(MINUTE).window(MINUTE),
                none.limit(50).window(HOUR),
            ],
        ),
        (
            "draft7/two_policies",
            vec![
                none.limit(10).remaining(1).reset(SECOND).window(SECOND),
                none.limit(1000).window(HOUR),
            ],
        ),
        ("ietf/cached", vec![]),
        (
            "ietf/cloudflare",
            vec![
                none.limit(1200)
                    .remaining(1199)
                    .reset(5 * MINUTE)
                    .window(5 * MINUTE),
            ],
        ),
        (
            "ietf/escaped_name",
            vec![none.limit(5).remaining(0).reset(SECOND).window(SECOND)],
        ),
        (
            "ietf/express",
            vec![
                none.limit(100)
                    .remaining(99)
                    .reset(15 * MINUTE)
                    .window(15 * MINUTE),
            ],
        ),
        (
            "ietf/several_lines",
            vec![
                none.limit(100)
                    .remaining(50)
                    .reset(30 * SECOND)
                    .window(MINUTE),
            ],
        ),
        (
            "ietf/two_policies",
            vec![
                none.limit(50)
                    .remaining(20)
                    .reset(23 * SECOND)
                    .window(MINUTE),
                none.limit(1000)
                    .remaining(399)
                    .reset(2402 * SECOND)
                    .window(HOUR),
            ],
        ),
        (
            "used_weight/binance",
            vec![none.used(237), none.used(237).window(MINUTE)],
        ),
        (
            "used_weight/binance_banned",
            vec![none.used(6012).window(MINUTE)],
        ),
        (
            "used_weight/binance_order",
            vec![
                none.used(4).window(SECOND),
                none.used(1).window(10 * SECOND),
                none.used(117).window(24 * HOUR),
            ],
        ),
        (
            "x_ratelimit/discord",
            vec![none.limit(10).remaining(0).reset(64_570 * MS)],
        ),
        (
            "x_ratelimit/github",
            vec![none.limit(5000).remaining(4999).used(1).reset(HOUR)],
        ),
        (
            "x_ratelimit/jira",
            vec![none.limit(350).remaining(0).reset(264 * SECOND)],
        ),
        (
            "x_ratelimit/millis",
            vec![none.limit(120).remaining(119).reset(MINUTE)],
        ),
        (
            "x_ratelimit/openai",
            vec![none.limit(60).remaining(59).reset(SECOND)],
        ),
        (
            "x_ratelimit/openai_burst",
            vec![none.limit(5000).remaining(4999).reset(12 * MS)],
        ),
        (
            "x_ratelimit/reddit",
            vec![none.remaining(599).used(1).reset(264 * SECOND)],
        ),
        (
            "x_ratelimit/rfc3339",
            vec![none.limit(60).remaining(57).reset(24_250 * MS)],
        ),
        (
            "x_ratelimit/toromarket",
            vec![none.limit(60).remaining(57).reset(40 * SECOND)],
        ),
        (
            "x_ratelimit/torque",
            vec![none.limit(100).remaining(0).reset(42 * SECOND)],
        ),
        ("x_ratelimit/without_date", vec![none.remaining(0)]),
        (
            "x_ratelimit/x",
            vec![none.limit(900).remaining(899).reset(15 * MINUTE)],
        ),
    ]);
    for (name, block) in seeds() {
        let target = name.split('/').next().expect("a folder");
        if target == "retry_after" {
            continue;
        }
        let mut stated: Vec<_> = dialects(target)
            .iter()
            .flat_map(|dialect| read(&**dialect, &block).as_slice().to_vec())
            .collect();
        let expected = expected.remove(name.as_str());
        if target == "used_weight" {
            // A map of headers has an order of its own.
            stated.sort_by_key(|stated| stated.window);
        }
        assert_eq!(Some(stated), expected, "{name}");
    }
    assert!(expected.is_empty(), "missing: {:?}", expected.keys());
}

#[test]
fn captured_pauses_are_as_long_as_their_servers_meant() {
    for (name, pause) in [
        ("asctime", Some(MINUTE)),
        ("imf_fixdate", Some(MINUTE)),
        ("no_date", None),
        ("rfc850", Some(MINUTE)),
        ("stripe", Some(SECOND)),
        ("torque", Some(42 * SECOND)),
        ("two_of_them", Some(MINUTE)),
    ] {
        let block = fs::read(folder().join("retry_after").join(name)).expect("a seed");
        let response = response(&block);
        let read = ResponseHead::of(&response).retry_after();
        assert_eq!(read, pause, "{name}");
    }
}

/// Reads `block` in every way, and looks at what must hold of anything that is stated.
fn endure(dialects: &[Box<dyn Dialect>], block: &[u8]) {
    let response = response(block);
    let head = ResponseHead::of(&response);
    let mut statements = Statements::new();
    Standard.read(&head, &mut statements);
    dialects
        .iter()
        .for_each(|dialect| dialect.read(&head, &mut statements));
    for stated in &statements {
        let times = [stated.reset, stated.window].into_iter().flatten();
        assert!(
            times.max().is_none_or(|time| time <= Stated::LONGEST),
            "{stated:?}"
        );
    }
    let _ = head.retry_after();
}

#[test]
fn no_captured_header_does_harm_cut_or_spoilt_in_any_place() {
    for (name, block) in seeds() {
        let dialects = dialects(name.split('/').next().expect("a folder"));
        for place in 0..block.len() {
            endure(&dialects, &block[..place]);
            let mut spoilt = block.clone();
            for byte in *b"\x00\x7f\xff\"\\;,=:.-0 9zT\n" {
                spoilt[place] = byte;
                endure(&dialects, &spoilt);
            }
        }
    }
}
