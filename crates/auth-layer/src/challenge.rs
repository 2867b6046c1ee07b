//! What a server says it wants: the challenges of `WWW-Authenticate`.

use std::fmt;

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use http_auth::parser::ChallengeParser;

/// More challenges than this are not read.
const MOST: usize = 16;

/// A longer header is not read.
const LONGEST: usize = 8 * 1024;

/// One challenge of a `WWW-Authenticate` header (RFC 9110, section 11.6.1).
///
/// The layers read one thing out of challenges: whether a 401 is about the token, or about a scope that no newer token
/// would have either (RFC 6750, section 3.1). Nothing else follows from what a challenge says: in particular, it never names
/// the place where tokens are fetched. Whoever sends 401s may be anybody, and would then be sent the refresh token.
///
/// A program may read the rest, for a person to act on:
///
/// ```
/// use auth_layer::Challenge;
/// use http::Response;
///
/// let response = Response::builder()
///     .status(403)
///     .header("www-authenticate", r#"Bearer error="insufficient_scope", scope="trade read""#)
///     .body(())?;
/// let challenges = Challenge::all(response.headers());
/// assert!(challenges[0].is_bearer());
/// assert_eq!(challenges[0].get("scope"), Some("trade read"));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// All challenges, over all headers of that name, in their order.
    ///
    /// Of a header that is malformed, what stands before the mistake; of one above 8 KiB, or with the old `token68` form,
    /// nothing from there on. No more than 16 are read.
    #[must_use]
    pub fn all(headers: &HeaderMap) -> Vec<Self> {
        let lines = headers.get_all(WWW_AUTHENTICATE).iter();
        let lines = lines.filter_map(|line| line.to_str().ok());
        lines
            .filter(|line| line.len() <= LONGEST)
            .flat_map(|line| ChallengeParser::new(line).map_while(Result::ok))
            .take(MOST)
            .map(|parsed| Self {
                scheme: parsed.scheme.to_owned(),
                parameters: parsed
                    .params
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.to_unescaped()))
                    .collect(),
            })
            .collect()
    }

    /// The scheme, as the server spells it.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Whether the scheme is `Bearer` (RFC 6750), in any case.
    #[must_use]
    pub fn is_bearer(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("bearer")
    }

    /// The first parameter of that name, in any case, without its quotes.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        let found = parameters.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

// What a server sends is no secret of ours, and may be a page long.
impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge")
            .field("scheme", &self.scheme)
            .field("error", &self.get("error"))
            .finish_non_exhaustive()
    }
}

/// Whether a 401 is about the scope: a newer token would fare no better.
///
/// One challenge says `insufficient_scope` and none says `invalid_token`: where both stand, the token is at fault for one of
/// them, and that may be the one that was meant.
pub(crate) fn is_about_scope(headers: &HeaderMap) -> bool {
    if !headers.contains_key(WWW_AUTHENTICATE) {
        return false;
    }
    let challenges = Challenge::all(headers);
    let says = |error: &str| challenges.iter().any(|c| c.get("error") == Some(error));
    says("insufficient_scope") && !says("invalid_token")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_bytes(line).expect("a header value");
            headers.append(WWW_AUTHENTICATE, value);
        }
        headers
    }

    fn about_scope(line: &str) -> bool {
        is_about_scope(&headers(&[line.as_bytes()]))
    }

    #[test]
    fn only_the_error_parameter_tells_what_a_401_is_about() {
        for (line, expected) in [
            (r#"Bearer error="insufficient_scope""#, true),
            (
                r#"Bearer realm="a, b", error="insufficient_scope", scope="x""#,
                true,
            ),
            (r#"Basic realm="x", Bearer Error=insufficient_scope"#, true),
            (r#"DPoP algs="ES256", error="insufficient_scope""#, true),
            (r#"bearer error = "insufficient\_scope""#, true),
            (r#"Bearer error="invalid_token""#, false),
            (r#"Bearer error_description="insufficient_scope""#, false),
            (r#"Bearer error="insufficient_scope_x""#, false),
            (
                r#"Bearer realm="say error=insufficient_scope please", error="invalid_token""#,
                false,
            ),
            (
                r#"Bearer realm="\", error=\"insufficient_scope", error="invalid_token""#,
                false,
            ),
            (
                r#"Bearer error="insufficient_scope", Bearer error="invalid_token""#,
                false,
            ),
            ("Bearer", false),
            ("", false),
        ] {
            assert_eq!(about_scope(line), expected, "{line}");
        }
        assert!(!is_about_scope(&HeaderMap::new()));
    }

    #[test]
    fn several_challenges_may_stand_in_one_header_or_in_several() {
        let one: &[&[u8]] = &[br#"Basic realm="a, b" , Bearer, Digest nonce="x\"y", qop=auth"#];
        let several: &[&[u8]] = &[
            br#"Basic realm="a, b""#,
            b"Bearer",
            br#"Digest nonce="x\"y", qop=auth"#,
        ];
        for lines in [one, several] {
            let all = Challenge::all(&headers(lines));
            let schemes: Vec<_> = all.iter().map(Challenge::scheme).collect();
            assert_eq!(schemes, ["Basic", "Bearer", "Digest"]);
            assert_eq!(all[0].get("REALM"), Some("a, b"));
            assert!(all[1].is_bearer() && all[1].get("realm").is_none());
            assert_eq!(all[2].get("nonce"), Some(r#"x"y"#));
            assert_eq!(all[2].get("qop"), Some("auth"));
        }
    }

    #[test]
    fn a_malformed_header_counts_up_to_its_mistake_and_harms_no_other() {
        let all = Challenge::all(&headers(&[
            br#"Bearer error="insufficient_scope", Basic realm="open"#,
            b"Negotiate YII==",
            b"Bearer \xff",
            br#"Basic realm="x""#,
        ]));
        let schemes: Vec<_> = all.iter().map(Challenge::scheme).collect();
        assert_eq!(schemes, ["Bearer", "Basic"]);
        assert_eq!(all[1].get("realm"), Some("x"));
    }

    #[test]
    fn what_a_hostile_server_sends_is_bounded() {
        let long = format!(r#"Bearer realm="{}", error="x""#, "a".repeat(LONGEST));
        assert!(Challenge::all(&headers(&[long.as_bytes()])).is_empty());
        let many = vec!["Bearer"; 1000].join(", ");
        assert_eq!(Challenge::all(&headers(&[many.as_bytes()])).len(), MOST);
    }

    #[test]
    fn a_challenge_prints_its_scheme_and_its_error_alone() {
        let all = Challenge::all(&headers(&[
            br#"Bearer realm="a page long", error="invalid_token""#,
        ]));
        assert_eq!(
            format!("{:?}", all[0]),
            r#"Challenge { scheme: "Bearer", error: Some("invalid_token"), .. }"#
        );
    }
}
