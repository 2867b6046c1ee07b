//! The one thing that is read from `WWW-Authenticate`: whether a 401 is about the scope and not about the token.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

const PARAMETER: &str = "error";
const SCOPE: &str = "insufficient_scope";

/// Whether a challenge says `error="insufficient_scope"` (RFC 6750, section 3.1): a newer token would fare no better.
pub(crate) fn is_about_scope(headers: &HeaderMap) -> bool {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(names_scope)
}

fn names_scope(challenge: &str) -> bool {
    let mut quoted = false;
    // Commas and blanks part parameters only outside of quoted strings.
    let parts = challenge.split(move |c: char| {
        quoted ^= c == '"';
        !quoted && (c == ',' || c == ' ')
    });
    parts
        .filter_map(|part| part.split_once('='))
        .any(|(name, value)| {
            name.trim().eq_ignore_ascii_case(PARAMETER) && value.trim().trim_matches('"') == SCOPE
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_error_parameter_counts() {
        for (challenge, expected) in [
            (r#"Bearer error="insufficient_scope""#, true),
            (
                r#"Bearer realm="a, b", error="insufficient_scope", scope="x""#,
                true,
            ),
            (r#"Basic realm="x", Bearer Error=insufficient_scope"#, true),
            (r#"Bearer error="invalid_token""#, false),
            (r#"Bearer error_description="insufficient_scope""#, false),
            (
                r#"Bearer realm="say error=insufficient_scope please", error="invalid_token""#,
                false,
            ),
            ("Bearer", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(WWW_AUTHENTICATE, challenge.parse().expect("a header value"));
            assert_eq!(is_about_scope(&headers), expected, "{challenge}");
        }
        assert!(!is_about_scope(&HeaderMap::new()));
    }
}
