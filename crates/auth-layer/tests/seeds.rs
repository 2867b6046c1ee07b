//! What is read from captured challenges: the seeds of the fuzz target, and each of them cut and spoilt in every place.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use auth_layer::Challenge;
use http::{HeaderMap, HeaderName, HeaderValue};

fn seeds() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/www_authenticate");
    let files = fs::read_dir(folder).expect("seeds").map(|file| {
        let file = file.expect("a file");
        let name = file.file_name().to_string_lossy().into_owned();
        (name, fs::read(file.path()).expect("a file"))
    });
    files.collect()
}

/// Makes headers of lines; lines that cannot be headers are left out.
fn headers(block: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in block.split(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(line[..colon].trim_ascii());
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

#[test]
fn captured_challenges_say_what_their_servers_meant() {
    let mut expected = BTreeMap::from([
        ("docker_hub", vec![("Bearer", None)]),
        ("hostile_metadata", vec![("Bearer", None)]),
        ("iis_negotiate", vec![("Negotiate", None), ("NTLM", None)]),
        ("quote_left_open", vec![]),
        ("quoted_error", vec![("Bearer", Some("invalid_token"))]),
        (
            "rfc6750_insufficient_scope",
            vec![("Bearer", Some("insufficient_scope"))],
        ),
        (
            "rfc6750_invalid_token",
            vec![("Bearer", Some("invalid_token"))],
        ),
        ("rfc7616_digest", vec![("Digest", None), ("Basic", None)]),
        ("rfc9449_dpop", vec![("DPoP", Some("use_dpop_nonce"))]),
        (
            "three_in_a_line",
            vec![("Basic", None), ("Bearer", None), ("Digest", None)],
        ),
        ("token68", vec![]),
    ]);
    for (name, block) in seeds() {
        let all = Challenge::all(&headers(&block));
        let read: Vec<_> = all.iter().map(|c| (c.scheme(), c.get("error"))).collect();
        let expected = expected.remove(name.as_str());
        assert_eq!(Some(read), expected, "{name}");
    }
    assert!(expected.is_empty(), "missing: {:?}", expected.keys());
}

#[test]
fn no_captured_challenge_does_harm_cut_or_spoilt_in_any_place() {
    let read = |block: &[u8]| {
        let all = Challenge::all(&headers(block));
        assert!(all.len() <= 16);
        for challenge in all {
            assert!(!challenge.scheme().is_empty());
            let value = challenge.get("error").unwrap_or_default();
            assert!(value.len() < block.len());
        }
    };
    for block in seeds().into_values() {
        for place in 0..block.len() {
            read(&block[..place]);
            let mut spoilt = block.clone();
            for byte in *b"\x00\x7f\xff\"\\;,=:.-0 9zT\n" {
                spoilt[place] = byte;
                read(&spoilt);
            }
        }
    }
}
