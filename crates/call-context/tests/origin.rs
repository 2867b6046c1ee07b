//! An origin reads the same to the `url` crate, so that a credential goes where it was meant to go.

use call_context::{Origin, OriginError};
use http::Uri;
use http::uri::Scheme;
use proptest::prelude::*;
use url::Url;

/// Whether `text` is an origin, and whether URL libraries and we mean the same by it.
fn agrees(text: &str) -> Result<(), TestCaseError> {
    let Ok(uri) = text.parse::<Uri>() else {
        return Ok(());
    };
    let Ok(origin) = Origin::of(&uri) else {
        return Ok(());
    };
    prop_assert!(origin.matches(&uri));
    // A URL library may refuse the host, as an international name that is no name. It must not read another one.
    if let Ok(url) = Url::parse(text) {
        prop_assert_eq!(url.host_str(), Some(origin.host()));
        prop_assert_eq!(url.port_or_known_default(), Some(origin.port()));
        prop_assert_eq!(url.scheme() == "https", origin.is_https());
        prop_assert_eq!(url.origin().ascii_serialization(), origin.to_string());
    }
    Ok(())
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9.-]{1,12}",
        "[!-~]{1,12}",
        "[0-9a-fxX.]{1,12}",
        "(0?[0-9]{1,3}\\.){3}[0-9]{1,3}\\.?",
        "(xn--|XN--)[a-z0-9-]{1,10}(\\.com)?",
        "\\[[0-9a-fA-F:.]{2,20}\\]",
        any::<u128>().prop_map(|bits| format!("[{}]", std::net::Ipv6Addr::from(bits))),
        any::<u32>().prop_map(|bits| format!("[::ffff:{:x}:{:x}]", bits >> 16, bits & 0xffff)),
        (any::<u16>(), 0..8_u32).prop_map(|(group, at)| {
            format!(
                "[{}]",
                std::net::Ipv6Addr::from(u128::from(group) << (16 * at))
            )
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_origin_is_read_alike(
        scheme in "(https?|HTTPS?|Http)",
        host in host(),
        port in "(:[0-9]{0,6}|:[+-]?[0-9a-z]{0,3})?",
        path in "(/[a-z]{0,3})?",
    ) {
        agrees(&format!("{scheme}://{host}{port}{path}"))?;
    }
}

#[test]
fn odd_spellings_are_read_alike_or_refused() {
    for (text, expected) in [
        ("https://h:0443", Ok("https://h")),
        ("https://h:00443/", Ok("https://h")),
        ("http://h:080", Ok("http://h")),
        ("http://h:443", Ok("http://h:443")),
        ("https://h:0", Ok("https://h:0")),
        ("https://H.EXAMPLE.", Ok("https://h.example.")),
        (
            "https://xn--mnchen-3ya.example",
            Ok("https://xn--mnchen-3ya.example"),
        ),
        (
            "https://XN--MNCHEN-3YA.example",
            Ok("https://xn--mnchen-3ya.example"),
        ),
        ("https://a_b.example", Ok("https://a_b.example")),
        ("https://[::1]:443", Ok("https://[::1]")),
        ("https://[2001:DB8::1]", Ok("https://[2001:db8::1]")),
        ("https://[::ffff:7f00:1]", Ok("https://[::ffff:7f00:1]")),
        ("https://m\u{fc}nchen.example", Err(OriginError::Malformed)),
        ("https://\u{ff41}pi.example", Err(OriginError::Malformed)),
        (
            "https://good.example\\@evil.example",
            Err(OriginError::Malformed),
        ),
        (
            "https://good.example@evil.example",
            Err(OriginError::UserInformation),
        ),
        (
            "https://good.example%2f@evil.example",
            Err(OriginError::UserInformation),
        ),
        ("https://good.example#@evil.example", Err(OriginError::Path)),
        ("https://good.example?@evil.example", Err(OriginError::Path)),
        ("https://1.2.3.4.", Err(OriginError::Host)),
        ("https://1.2.3.04", Err(OriginError::Host)),
        ("https://0300.0250.0.1", Err(OriginError::Host)),
        ("https://1.2.3.0x4", Err(OriginError::Host)),
        ("https://a.0x", Err(OriginError::Host)),
        ("https://[2001:db8:0::1]", Err(OriginError::Host)),
        ("https://[::0001]", Err(OriginError::Host)),
        ("https://[v1.a]", Err(OriginError::Host)),
        ("https://", Err(OriginError::Malformed)),
        ("//h", Err(OriginError::Relative)),
        ("*", Err(OriginError::Relative)),
        ("", Err(OriginError::Malformed)),
    ] {
        let parsed = text.parse::<Origin>();
        let shown = parsed.map(|origin| origin.to_string());
        assert_eq!(shown, expected.map(str::to_owned), "{text}");
        agrees(text).expect(text);
    }
}

#[test]
fn a_uri_made_of_odd_parts_is_refused() {
    let odd = Scheme::try_from("HTTPS").expect("a scheme");
    let uri = Uri::builder()
        .scheme(odd)
        .authority("h")
        .path_and_query("/")
        .build()
        .expect("a URI");
    assert_eq!(Origin::of(&uri), Err(OriginError::Scheme));
    // Only an authority, as in CONNECT.
    let uri: Uri = "h:443".parse().expect("a URI");
    assert_eq!(Origin::of(&uri), Err(OriginError::Relative));
    assert_eq!(Origin::of(&Uri::default()), Err(OriginError::Relative));
}
