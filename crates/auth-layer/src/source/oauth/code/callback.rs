//! What the browser brings back: pure.

use oauth2::url::form_urlencoded;
use subtle::ConstantTimeEq;

use super::error::LoginError;
use crate::oauth::OAuthError;
use crate::oauth::error::Why;
use crate::{Secret, SourceError};

/// What an answer must be like.
pub(super) struct Expected {
    pub(super) host: String,
    pub(super) path: String,
    pub(super) state: Secret,
    pub(super) issuer: Option<String>,
}

/// What to make of a request.
pub(super) enum Verdict {
    /// The answer of the person's server: a code, or why there is none.
    Answer(Result<Secret, SourceError>),
    /// An answer to another log-in, or one that somebody has made up.
    Strange,
    NotFound,
    NotGet,
    Malformed,
}

/// Whether a path is the same in every spelling.
pub(super) fn is_plain_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
    path.starts_with('/')
        && path.bytes().all(plain)
        && !path.split('/').any(|part| part == "." || part == "..")
}

impl Expected {
    /// Judges the head of a request: its line and its fields, to the empty line.
    pub(super) fn judge(&self, head: &[u8]) -> Verdict {
        let Ok(head) = str::from_utf8(head) else {
            return Verdict::Malformed;
        };
        // What may stand behind the empty line is no field.
        let head = head.split_once("\r\n\r\n").map_or(head, |(head, _)| head);
        let mut lines = head.split("\r\n");
        let line: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [method, target, "HTTP/1.1" | "HTTP/1.0"] = line[..] else {
            return Verdict::Malformed;
        };
        // Names that lead to this machine lead other people's pages here.
        let mut hosts = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("host").then(|| value.trim())
        });
        if hosts.next() != Some(&self.host) || hosts.next().is_some() {
            return Verdict::Malformed;
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path != self.path {
            return Verdict::NotFound;
        }
        if method != "GET" {
            return Verdict::NotGet;
        }
        self.judge_query(query)
    }

    fn judge_query(&self, query: &str) -> Verdict {
        let Ok([state, code, error, issuer]) = parameters(query) else {
            return Verdict::Malformed;
        };
        let state = state.unwrap_or_default();
        let known = state.as_bytes().ct_eq(self.state.expose().as_bytes());
        if !bool::from(known) {
            return Verdict::Strange;
        }
        if self.issuer.is_some() && issuer != self.issuer {
            return Verdict::Answer(Err(LoginError::Issuer.into()));
        }
        Verdict::Answer(match (error, code) {
            (Some(error), _) => {
                Err(OAuthError::new(Why::of_code(&error), None).into_source_error(None))
            }
            (None, Some(code)) if !code.is_empty() => Ok(Secret::from(code)),
            (None, _) => Err(LoginError::NoCode.into()),
        })
    }
}

/// `state`, `code`, `error` and `iss`; an error where one of them comes twice (RFC 6749, section 3.1).
fn parameters(query: &str) -> Result<[Option<String>; 4], ()> {
    let mut found = [const { None }; 4];
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let place = match &*name {
            "state" => &mut found[0],
            "code" => &mut found[1],
            "error" => &mut found[2],
            "iss" => &mut found[3],
            _ => continue,
        };
        if place.replace(value.into_owned()).is_some() {
            return Err(());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(issuer: Option<&str>) -> Expected {
        Expected {
            host: "127.0.0.1:4000".into(),
            path: "/callback".into(),
            state: "s1".into(),
            issuer: issuer.map(Into::into),
        }
    }

    fn judge(expected: &Expected, line: &str, host: &str) -> String {
        let head = format!("{line}\r\nAccept: */*\r\n{host}\r\n\r\n");
        match expected.judge(head.as_bytes()) {
            Verdict::Answer(Ok(code)) => format!("code {}", code.expose()),
            Verdict::Answer(Err(error)) => {
                let why = std::error::Error::source(&error).expect("a cause");
                assert!(!format!("{error:?}{why}").contains("canary"));
                why.to_string()
            }
            Verdict::Strange => "strange".into(),
            Verdict::NotFound => "not found".into(),
            Verdict::NotGet => "not get".into(),
            Verdict::Malformed => "malformed".into(),
        }
    }

    fn query(issuer: Option<&str>, query: &str) -> String {
        let line = format!("GET /callback?{query} HTTP/1.1");
        judge(&expected(issuer), &line, "Host: 127.0.0.1:4000")
    }

    #[test]
    fn a_code_with_the_right_state_is_the_answer() {
        assert_eq!(query(None, "code=c%2F1&state=s1"), "code c/1");
        assert_eq!(
            query(None, "state=s1&session=x&code=c+1&iss=https://other"),
            "code c 1"
        );
    }

    #[test]
    fn what_has_another_state_is_strange_errors_too() {
        for text in [
            "",
            "code=c1",
            "code=c1&state=",
            "code=c1&state=s",
            "code=c1&state=s12",
            "code=c1&state=S1",
            "error=access_denied",
            "error=access_denied&state=s2",
        ] {
            assert_eq!(query(None, text), "strange", "{text}");
        }
    }

    #[test]
    fn what_comes_twice_is_malformed() {
        for text in [
            "code=c1&state=s1&state=s1",
            "code=c1&code=c2&state=s1",
            "code=c1&state=s1&error=a&error=b",
            "code=c1&state=s1&iss=a&iss=a",
            "code=c1&state=s1&%73tate=s1",
        ] {
            assert_eq!(query(None, text), "malformed", "{text}");
        }
    }

    #[test]
    fn the_issuer_must_be_named_where_one_is_set() {
        let issuer = Some("https://id.example.com");
        let right = "code=c1&state=s1&iss=https%3A%2F%2Fid.example.com";
        assert_eq!(query(issuer, right), "code c1");
        for text in [
            "code=c1&state=s1",
            "code=c1&state=s1&iss=",
            "code=c1&state=s1&iss=https://id.example.com/",
            "code=c1&state=s1&iss=https://evil.example",
            "error=access_denied&state=s1",
        ] {
            assert!(query(issuer, text).contains("RFC 9207"), "{text}");
        }
    }

    #[test]
    fn errors_are_named_where_they_are_known_and_never_echoed() {
        let denied = query(
            None,
            "error=access_denied&error_description=canary&state=s1",
        );
        assert!(denied.contains("`access_denied`"), "{denied}");
        let both = query(None, "error=access_denied&code=c1&state=s1");
        assert!(both.contains("`access_denied`"), "{both}");
        let unknown = query(None, "error=%3Cscript%3Ecanary&state=s1");
        assert!(unknown.contains("none of the standards'"), "{unknown}");
        let neither = query(None, "state=s1&code=");
        assert!(neither.contains("neither a code nor an error"), "{neither}");
    }

    #[test]
    fn only_a_get_of_the_exact_path_at_this_very_address_is_looked_at() {
        let good = "code=c1&state=s1";
        let host = "hOsT:127.0.0.1:4000";
        let at = |line: String, host: &str| judge(&expected(None), &line, host);
        assert_eq!(
            at(format!("GET /callback?{good} HTTP/1.1"), host),
            "code c1"
        );
        for path in [
            "/",
            "/callback/",
            "/Callback",
            "//callback",
            "/x/../callback",
            "/%63allback",
            "/favicon.ico",
            "http://127.0.0.1:4000/callback",
            "callback",
        ] {
            let line = format!("GET {path}?{good} HTTP/1.1");
            assert_eq!(at(line, host), "not found", "{path}");
        }
        let more = format!("{host}\r\n\r\nHost: evil.example");
        assert_eq!(
            at(format!("GET /callback?{good} HTTP/1.1"), &more),
            "code c1"
        );
        for method in ["POST", "HEAD", "OPTIONS", "get"] {
            let line = format!("{method} /callback?{good} HTTP/1.1");
            assert_eq!(at(line, host), "not get", "{method}");
        }
        for line in [
            format!("GET /callback?{good}"),
            format!("GET /callback?{good} HTTP/2.0"),
            format!("GET  /callback?{good} HTTP/1.1"),
            format!("GET /callback?{good} HTTP/1.1 x"),
            String::new(),
        ] {
            assert_eq!(at(line.clone(), host), "malformed", "{line}");
        }
        for host in [
            "X: y",
            "Host: evil.example",
            "Host: localhost:4000",
            "Host: 127.0.0.1",
            "Host: 127.0.0.1:4000\r\nHost: 127.0.0.1:4000",
        ] {
            let line = format!("GET /callback?{good} HTTP/1.1");
            assert_eq!(at(line, host), "malformed", "{host}");
        }
    }

    #[test]
    fn a_callback_path_is_plain() {
        for path in ["/", "/callback", "/a/b-c_d.e~f"] {
            assert!(is_plain_path(path), "{path}");
        }
        for path in [
            "", "callback", "/a?b", "/a#b", "/a b", "/%61", "/../a", "/a/.", "/ü",
        ] {
            assert!(!is_plain_path(path), "{path}");
        }
    }
}
