use proptest::prelude::*;

use super::*;

const CANARY: &str = "canary-7f3a";

fn decode(text: &str) -> Result<Record, Unreadable> {
    Record::decode(&text.into(), "/home/me/grant.json")
}

fn at(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
}

#[test]
fn the_format_is_this_one() {
    let record = Record {
        access_token: "a.b.c".into(),
        obtained: at(1_700_000_000_123),
        lifetime: Some(Duration::from_secs(3600)),
        refresh_token: Some("r1".into()),
        intent: Some(Intent {
            id: 7,
            refresh_token: Fingerprint::of(&"abc".into()),
            at: at(1_700_000_003_000),
            since_boot: None,
        }),
    };
    // The fingerprint is the test vector of FIPS 180-2, appendix B.1.
    assert_eq!(
        record.encode().expose(),
        r#"{"version":1,"access_token":"a.b.c","obtained_ms":1700000000123,"lifetime_ms":3600000,"refresh_token":"r1","intent":{"id":7,"refresh_token_sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","at_ms":1700000003000}}"#
    );
    let since_boot = Some(SinceBoot {
        boot: Fingerprint::of(&"abc".into()),
        at: Duration::from_millis(5),
    });
    let intent = record.intent.map(|intent| Intent {
        since_boot,
        ..intent
    });
    let text = Record { intent, ..record }.encode();
    let end = r#""at_ms":1700000003000,"boot_sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","since_boot_ms":5}}"#;
    assert!(text.expose().ends_with(end), "{}", text.expose());
    let least = decode(r#"{"version":1,"access_token":"a","obtained_ms":0}"#).expect("a record");
    assert_eq!(least.obtained, SystemTime::UNIX_EPOCH);
    assert!(least.lifetime.is_none() && least.refresh_token.is_none() && least.intent.is_none());
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        access in ".*",
        refresh in proptest::option::of(".*"),
        obtained in 0..4_000_000_000_000_u64,
        lifetime in proptest::option::of(any::<u64>()),
        intent in proptest::option::of((any::<u64>(), ".*", 0..4_000_000_000_000_u64)),
        since_boot in proptest::option::of((".*", any::<u64>())),
    ) {
        let record = Record {
            access_token: access.into(),
            obtained: at(obtained),
            lifetime: lifetime.map(Duration::from_millis),
            refresh_token: refresh.map(Secret::from),
            intent: intent.map(|(id, of, ms)| Intent {
                id,
                refresh_token: Fingerprint::of(&of.into()),
                at: at(ms),
                since_boot: since_boot.as_ref().map(|(boot, ms)| SinceBoot {
                    boot: Fingerprint::of(&Secret::from(&**boot)),
                    at: Duration::from_millis(*ms),
                }),
            }),
        };
        let text = record.encode();
        let read = Record::decode(&text, "memory").expect("readable");
        prop_assert_eq!(read.access_token.expose(), record.access_token.expose());
        prop_assert_eq!(
            read.refresh_token.as_ref().map(Secret::expose),
            record.refresh_token.as_ref().map(Secret::expose)
        );
        prop_assert_eq!(read.obtained, record.obtained);
        prop_assert_eq!(read.lifetime, record.lifetime);
        prop_assert_eq!(read.intent, record.intent);
    }

    #[test]
    fn no_text_makes_the_reader_panic_and_no_error_quotes_it(cut in 0..200_usize, noise in ".{0,40}") {
        let record = Record {
            access_token: CANARY.into(),
            obtained: at(1_700_000_000_000),
            lifetime: Some(Duration::from_secs(60)),
            refresh_token: Some(CANARY.into()),
            intent: None,
        };
        let whole = record.encode();
        let whole = whole.expose();
        let cut = cut.min(whole.len());
        for text in [whole[..cut].to_owned(), format!("{}{noise}{}", &whole[..cut], &whole[cut..]), noise] {
            if let Err(error) = decode(&text) {
                let shown = format!("{error:?}");
                prop_assert!(!shown.contains(CANARY), "{}", shown);
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_its_place_alone() {
    let ok = r#""access_token":"a","obtained_ms":0"#;
    for bad in [
        String::new(),
        "null".to_owned(),
        format!(r#""{CANARY}""#),
        format!(r#"[1,"{CANARY}",0,null,null,null]"#),
        format!(r#"{{"access_token":"{CANARY}"}}"#),
        format!(r#"{{"version":1,"version":2,"access_token":"{CANARY}"}}"#),
        format!(r#"{{"version":1,"access_token":"{CANARY}"}}"#),
        // A text where a number is to be: the reader's own error would quote it.
        format!(r#"{{"version":1,"access_token":"a","obtained_ms":"{CANARY}"}}"#),
        format!(r#"{{"version":1,{ok},"{CANARY}":1}}"#),
        format!(r#"{{"version":1,{ok},"lifetime_ms":-1}}"#),
        format!(r#"{{"version":1,{ok}}} {CANARY}"#),
        r#"{"version":1,"access_token":"a","obtained_ms":18446744073709551615}"#.to_owned(),
        format!(
            r#"{{"version":1,{ok},"intent":{{"id":1,"refresh_token_sha256":"{CANARY}","at_ms":0}}}}"#
        ),
        format!(
            r#"{{"version":1,{ok},"intent":{{"id":1,"refresh_token_sha256":"{}é","at_ms":0}}}}"#,
            "0".repeat(62)
        ),
    ] {
        let Err(Unreadable::Malformed(error)) = decode(&bad) else {
            panic!("{bad}");
        };
        assert!(error.contains("/home/me/grant.json"), "{error}");
        assert!(error.contains("log in again"), "{error}");
        assert!(!error.contains(CANARY), "{error}");
    }
}

#[test]
fn what_version_1_has_written_is_read_for_ever() {
    // Do not change these: they are in stores.
    let first = r#"{"version":1,"access_token":"a.b.c","obtained_ms":1700000000123,"lifetime_ms":3600000,"refresh_token":"r1","intent":{"id":7,"refresh_token_sha256":"82f3e9c695dc6b8d1b11818d5701919e286de8d47f7c3eb3100c485f79e57828","at_ms":1700000003000}}"#;
    let record = decode(first).expect("readable");
    assert_eq!(record.access_token.expose(), "a.b.c");
    assert_eq!(record.obtained, at(1_700_000_000_123));
    assert_eq!(record.lifetime, Some(Duration::from_secs(3600)));
    assert_eq!(record.refresh_token.as_ref().expect("one").expose(), "r1");
    let intent = record.open_intent().expect("it stands for `r1`");
    assert_eq!((intent.id, intent.at), (7, at(1_700_000_003_000)));
    assert!(intent.since_boot.is_none());
}

#[test]
fn another_version_is_told_apart_whatever_else_it_holds() {
    for bad in [
        r#"{"version":2,"tokens":["canary-7f3a"]}"#,
        r#"{"version":0}"#,
        r#"{"version":18446744073709551615}"#,
        // No number of ours, and yet somebody's version.
        r#"{"version":18446744073709551616}"#,
        r#"{"version":1.5,"access_token":"a","obtained_ms":0}"#,
        r#"{"version":"canary-7f3a"}"#,
        r#"{"version":{"major":2,"key":"canary-7f3a"}}"#,
        r#"{"version":null}"#,
        " \n{\"grants\":[\"canary-7f3a\"],\"version\":3}",
    ] {
        let Err(Unreadable::Version(error)) = decode(bad) else {
            panic!("{bad}");
        };
        assert!(error.contains("this program knows version 1"), "{error}");
        assert!(!error.contains(CANARY), "{error}");
    }
}

#[test]
fn a_grant_without_a_refresh_token_keeps_the_earlier_one() {
    let grant = Grant::new("t2").expires_in(60);
    let kept = Record::of(&grant, Some("r1".into()), at(0));
    assert_eq!(kept.refresh_token.expect("one").expose(), "r1");
    let grant = grant.refresh_token("r2");
    let rotated = Record::of(&grant, Some("r1".into()), at(0));
    assert_eq!(rotated.refresh_token.expect("one").expose(), "r2");
}

#[test]
fn a_jwt_brings_its_lifetime_where_the_grant_states_none() {
    // {"exp":1000}
    let jwt = "e30.eyJleHAiOjEwMDB9.sig";
    let lifetime = |grant: &Grant| Record::of(grant, None, at(400_000)).lifetime;
    assert_eq!(lifetime(&Grant::new(jwt)), Some(Duration::from_secs(600)));
    let stated = Grant::new(jwt).expires_in(60);
    assert_eq!(lifetime(&stated), Some(Duration::from_secs(60)));
    assert_eq!(lifetime(&Grant::new("opaque")), None);
}
