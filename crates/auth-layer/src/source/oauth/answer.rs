//! What a token endpoint has answered, read with suspicion.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use oauth2::basic::BasicErrorResponse;
use oauth2::{AccessToken, RefreshToken, RequestTokenError, Scope, TokenResponse, TokenType};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::error::{OAuthError, Why};
use super::transport::Failed;
use crate::secret::Scheme;
use crate::{Grant, Secret, SourceError};

/// How a token request ended, as `oauth2` tells it.
pub(super) type Asked = Result<Answer, RequestTokenError<Failed, BasicErrorResponse>>;

/// A token response (RFC 6749, section 5.1). What `oauth2` asks of it as `Serialize` writes nothing.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Answer {
    #[serde(skip_serializing)]
    access_token: AccessToken,
    #[serde(skip_serializing)]
    token_type: Type,
    #[serde(skip_serializing, default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    #[serde(skip_serializing, default)]
    refresh_token: Option<RefreshToken>,
    #[serde(skip_serializing, default)]
    error: Option<IgnoredAny>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Type {
    Bearer,
    Other,
}

impl TokenType for Type {}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(if name.eq_ignore_ascii_case("bearer") {
            Self::Bearer
        } else {
            Self::Other
        })
    }
}

/// A number of seconds, or a string of digits; what is too large for a clock is the largest there is. Anything else is as if it were
/// missing, with a warning, which does not quote it.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    // As it stands there: `serde_json` refuses a number that no float can hold, and with it all of the answer.
    let stated = Option::<Box<RawValue>>::deserialize(deserializer)?;
    let Some(stated) = stated.as_deref().map(RawValue::get) else {
        return Ok(None);
    };
    let read = match serde_json::from_str::<Cow<'_, str>>(stated) {
        Ok(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            Some(text.parse().unwrap_or(u64::MAX))
        }
        Ok(_) => None,
        Err(_) => whole_seconds(stated),
    };
    if read.is_none() {
        tracing::warn!(
            "a token endpoint stated an `expires_in` that is no number of seconds; the token counts as one of unknown lifetime"
        );
    }
    Ok(read)
}

fn whole_seconds(number: &str) -> Option<u64> {
    let exact = number.parse().ok();
    exact.or_else(|| {
        let seconds: f64 = number.parse().ok()?;
        let seconds = Some(seconds).filter(|seconds| *seconds >= 0.0)?;
        let seconds = Duration::try_from_secs_f64(seconds);
        Some(seconds.map_or(u64::MAX, |seconds| seconds.as_secs()))
    })
}

impl TokenResponse for Answer {
    type TokenType = Type;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &Type {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

/// A token response that has passed, apart from the token itself.
pub(super) struct Read {
    pub(super) grant: Result<Grant, SourceError>,
    /// The next refresh token: known also where the token that came with it cannot be used.
    pub(super) refresh_token: Option<Secret>,
}

/// Judges how a token request ended.
pub(super) fn read(asked: Asked) -> Read {
    let refused = |why| OAuthError::new(why, Some(StatusCode::OK)).into_source_error(None);
    let error = match asked {
        Ok(answer) if answer.error.is_some() => refused(Why::UnknownCode),
        Ok(answer) => return answer.read(),
        Err(RequestTokenError::Request(failed)) => failed.into_source_error(),
        Err(RequestTokenError::Parse(_, body)) => {
            // Neither this body nor the error beside it, which quotes it, goes any further.
            let body = Zeroizing::new(body);
            refused(Why::of_body(&body).unwrap_or(Why::Malformed))
        }
        Err(RequestTokenError::ServerResponse(_) | RequestTokenError::Other(_)) => {
            refused(Why::Malformed)
        }
    };
    Read {
        grant: Err(error),
        refresh_token: None,
    }
}

impl Answer {
    fn read(self) -> Read {
        let refresh_token = self
            .refresh_token
            .map(|token| Secret::from(token.into_secret()))
            .filter(|token| !token.expose().is_empty());
        let grant = if self.token_type == Type::Bearer {
            let mut grant = Grant::new(self.access_token.into_secret());
            grant.lifetime = self.expires_in.map(Duration::from_secs);
            grant.refresh_token = refresh_token.clone();
            Ok(grant)
        } else {
            Err(OAuthError::new(Why::TokenType, Some(StatusCode::OK)).into_source_error(None))
        };
        Read {
            grant,
            refresh_token,
        }
    }
}

/// Refuses a token that no header can hold, for who hands it to a person first. A slot does so itself, after it has put
/// the refresh token beside it in safety.
pub(super) fn sendable(grant: Grant) -> Result<Grant, SourceError> {
    match Scheme::Bearer.value(&grant.token) {
        Ok(_) => Ok(grant),
        Err(why) => {
            let why = OAuthError::new(Why::Unsendable(why), Some(StatusCode::OK));
            Err(why.into_source_error(None))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    fn of(body: &str) -> Read {
        let answer = serde_json::from_str::<Answer>(body);
        read(Ok(answer.expect("a token response")))
    }

    fn lifetime(expires_in: &str) -> Option<u64> {
        let body = format!(r#"{{"access_token":"a","token_type":"Bearer"{expires_in}}}"#);
        let grant = of(&body).grant.expect("a grant");
        grant.lifetime.map(|lifetime| lifetime.as_secs())
    }

    #[test]
    fn a_lifetime_is_a_number_or_digits_and_nothing_else() {
        for (expires_in, expected) in [
            ("", None),
            (r#","expires_in":3600"#, Some(3600)),
            (r#","expires_in":"3600""#, Some(3600)),
            (r#","expires_in":3599.9"#, Some(3599)),
            (r#","expires_in":0"#, Some(0)),
            (r#","expires_in":"0""#, Some(0)),
            (r#","expires_in":1"#, Some(1)),
            (r#","expires_in":315360000"#, Some(315_360_000)),
            (r#","expires_in":18446744073709551615"#, Some(u64::MAX)),
            (r#","expires_in":99999999999999999999"#, Some(u64::MAX)),
            (r#","expires_in":1e30"#, Some(u64::MAX)),
            (r#","expires_in":1e300"#, Some(u64::MAX)),
            (r#","expires_in":1e400"#, Some(u64::MAX)),
            (r#","expires_in":1e-400"#, Some(0)),
            (r#","expires_in":36e2"#, Some(3600)),
            (r#","expires_in":-0"#, Some(0)),
            (r#","expires_in":-1e400"#, None),
            (r#","expires_in":"1e400""#, None),
            (r#","expires_in":"NaN""#, None),
            (r#","expires_in":"Infinity""#, None),
            (r#","expires_in":"\u0033600""#, Some(3600)),
            (r#","expires_in":"99999999999999999999""#, Some(u64::MAX)),
            (r#","expires_in":-1"#, None),
            (r#","expires_in":null"#, None),
            (r#","expires_in":"""#, None),
            (r#","expires_in":"-1""#, None),
            (r#","expires_in":"1h""#, None),
            (r#","expires_in":[3600]"#, None),
            (r#","expires_in":{"seconds":3600}"#, None),
            (r#","expires_in":true"#, None),
        ] {
            assert_eq!(lifetime(expires_in), expected, "{expires_in}");
        }
    }

    #[test]
    fn a_new_refresh_token_is_known_though_the_token_beside_it_is_useless() {
        let body = r#"{"access_token":"canary","token_type":"DPoP","refresh_token":"r2"}"#;
        let other = of(body);
        let error = other.grant.expect_err("no grant");
        let cause = error.source().expect("a cause");
        assert!(!format!("{error:?}{cause}").contains("canary"));
        assert_eq!(other.refresh_token.expect("one").expose(), "r2");
        let empty = of(r#"{"access_token":"a","token_type":"bearer","refresh_token":""}"#);
        assert!(empty.refresh_token.is_none());
    }

    #[test]
    fn a_token_that_no_header_can_hold_is_refused_without_an_echo() {
        let grant = of(r#"{"access_token":"canary\n","token_type":"Bearer"}"#).grant;
        let error = sendable(grant.expect("a grant")).expect_err("not sendable");
        let cause = error.source().expect("a cause");
        assert!(!format!("{error:?}{cause}").contains("canary"));
        assert!(sendable(Grant::new("a.b.c")).is_ok());
    }

    #[test]
    fn what_the_trait_of_oauth2_writes_and_prints_holds_no_token() {
        let body = r#"{"access_token":"canary","token_type":"canary","refresh_token":"canary","error":"canary"}"#;
        let answer: Answer = serde_json::from_str(body).expect("a token response");
        let written = serde_json::to_string(&answer).expect("written");
        assert_eq!(written, "{}");
        assert!(!format!("{answer:?}").contains("canary"));
    }
}
