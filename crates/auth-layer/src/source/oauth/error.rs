//! Why an OAuth server gave no token.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use call_context::BoxError;
use http::StatusCode;
use serde::Deserialize;

use crate::{SourceError, Unsendable};

/// Why an OAuth server gave no token, and what to do about it.
///
/// Found in the chain of the refusal that a request gets. Shows nothing of the server's answer beyond its status and a code of the
/// standards; an error of the client below is in its chain as it is.
#[derive(Debug)]
pub struct OAuthError {
    why: Why,
    status: Option<StatusCode>,
}

#[derive(Debug)]
pub(super) enum Why {
    Code(&'static Code),
    UnknownCode,
    Status,
    Redirect,
    Malformed,
    TokenType,
    Unsendable(Unsendable),
    TooLarge,
    NoAnswer(BoxError),
    Body(BoxError),
    NoRefreshToken,
}

/// An `error` code of the standards.
#[derive(Debug)]
pub(super) struct Code {
    name: &'static str,
    permanent: bool,
    advice: &'static str,
}

const fn fatal(name: &'static str, advice: &'static str) -> Code {
    Code {
        name,
        permanent: true,
        advice,
    }
}

const fn passing(name: &'static str) -> Code {
    Code {
        name,
        permanent: false,
        advice: "try again later",
    }
}

pub(super) const INVALID_GRANT: &str = "invalid_grant";

macro_rules! log_in {
    ($what:literal) => {
        concat!(
            $what,
            ", and the grant go to `StoredGrant::put` where there is a store, else to `RefreshToken::adopt`; then call `TokenSlot::changed`"
        )
    };
}

const LOG_IN: &str = log_in!("a person must log in again");

/// RFC 6749, sections 4.1.2.1 and 5.2; RFC 7009, section 2.2.1; RFC 8628, section 3.5; RFC 8707, section 2; OpenID Connect Core, section 3.1.2.6.
static CODES: [Code; 18] = [
    fatal(
        INVALID_GRANT,
        log_in!(
            "the refresh token or code is spent, revoked or another client's; a person must log in again"
        ),
    ),
    fatal(
        "invalid_client",
        "check the client's id and secret, and whether the server wants them in the header or in the body",
    ),
    fatal(
        "unauthorized_client",
        "have this client allowed to use this kind of grant at the server",
    ),
    fatal(
        "unsupported_grant_type",
        "this server has no grants of this kind; use another",
    ),
    fatal(
        "unsupported_response_type",
        "this server gives no codes; use another kind of grant",
    ),
    fatal(
        "invalid_request",
        "check the scopes and parameters that the server asks for",
    ),
    fatal(
        "invalid_scope",
        "ask for scopes that the server knows and allows to this client",
    ),
    fatal(
        "invalid_target",
        "ask for a resource or audience that the server knows",
    ),
    fatal(
        "access_denied",
        "the person or the server has declined; log in again, or have it allowed",
    ),
    fatal("login_required", LOG_IN),
    fatal("interaction_required", LOG_IN),
    fatal("consent_required", LOG_IN),
    fatal("account_selection_required", LOG_IN),
    fatal(
        "unsupported_token_type",
        "the server does not take back tokens of this kind; they end by themselves",
    ),
    passing("temporarily_unavailable"),
    passing("server_error"),
    passing("slow_down"),
    passing("authorization_pending"),
];

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: &'a str,
}

impl Why {
    /// What the `error` code in a JSON body says, if there is one.
    pub(super) fn of_body(body: &[u8]) -> Option<Self> {
        let body: Body<'_> = serde_json::from_slice(body).ok()?;
        Some(Self::of_code(body.error))
    }

    pub(super) fn of_code(name: &str) -> Self {
        let known = CODES.iter().find(|code| code.name == name);
        known.map_or(Self::UnknownCode, Self::Code)
    }
}

impl OAuthError {
    pub(super) fn new(why: Why, status: Option<StatusCode>) -> Self {
        Self { why, status }
    }

    /// The `error` code that the server gave, where it is one of the standards: `invalid_grant`, say.
    pub fn code(&self) -> Option<&'static str> {
        match self.why {
            Why::Code(code) => Some(code.name),
            _ => None,
        }
    }

    /// The status of the server's answer, if there was one.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    fn is_permanent(&self) -> bool {
        let overloaded = self.status.is_some_and(|status| {
            status.is_server_error()
                || status == StatusCode::TOO_MANY_REQUESTS
                || status == StatusCode::REQUEST_TIMEOUT
        });
        match self.why {
            Why::Code(code) => code.permanent && !overloaded,
            Why::TokenType | Why::NoRefreshToken => true,
            _ => false,
        }
    }

    /// Whether the server has answered in a way that leaves a refresh token as it was. After a 5xx, a 408, a redirection to another
    /// page (RFC 9110, section 15.4.4) or an answer that cannot be read nobody knows.
    fn is_unspent(&self) -> bool {
        let refused = self.status.is_some_and(|status| match status {
            StatusCode::REQUEST_TIMEOUT => false,
            // Of the redirections these ask for the same request elsewhere; the others may point to a page about what was done.
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            status => status.is_client_error(),
        });
        match self.why {
            Why::Code(code) if code.name == "server_error" => false,
            Why::Code(_) | Why::UnknownCode => refused || self.status == Some(StatusCode::OK),
            Why::Status | Why::Redirect => refused,
            _ => false,
        }
    }

    pub(super) fn into_source_error(self, retry_after: Option<Duration>) -> SourceError {
        let unspent = self.is_unspent();
        let unclear = matches!(self.why, Why::TokenType);
        let mut error = match (self.is_permanent(), self.code()) {
            (true, Some(INVALID_GRANT)) => SourceError::invalid_grant(self),
            (true, _) => SourceError::permanent(self),
            (false, _) => SourceError::temporary(self),
        };
        if unspent {
            error = error.unspent();
        }
        if unclear {
            error = error.unclear();
        }
        match retry_after {
            Some(pause) => error.retry_after(pause),
            None => error,
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Code(code) => write!(f, "the OAuth server says `{}`: {}", code.name, code.advice)?,
            Why::UnknownCode => f.write_str("the OAuth server gives an error code that is none of the standards'; its log knows more")?,
            Why::Status => f.write_str("the OAuth endpoint answers neither with success nor with an OAuth error; check its URL")?,
            Why::Redirect => f.write_str("the OAuth endpoint redirects, which is never followed; give its final URL")?,
            Why::Malformed => f.write_str("the token endpoint's answer is no token response (RFC 6749, section 5.1)")?,
            Why::TokenType => f.write_str("the token endpoint gives tokens of another type than Bearer, which cannot be used; have it give bearer tokens")?,
            Why::Unsendable(_) => f.write_str("the token endpoint gives a token that no header can hold")?,
            Why::TooLarge => f.write_str("the OAuth endpoint's answer is too large")?,
            Why::NoAnswer(_) => f.write_str("the OAuth endpoint did not answer")?,
            Why::Body(_) => f.write_str("the OAuth endpoint's answer broke off")?,
            Why::NoRefreshToken => f.write_str(log_in!("there is no refresh token; a person must log in"))?,
        }
        match self.status {
            Some(status) if status != StatusCode::OK => write!(f, " (status {})", status.as_u16()),
            _ => Ok(()),
        }
    }
}

impl Error for OAuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            Why::Unsendable(why) => Some(why),
            Why::NoAnswer(error) | Why::Body(error) => Some(&**error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unspent(why: Why, status: Option<u16>) -> bool {
        let status = status.map(|status| StatusCode::from_u16(status).expect("a status"));
        let error = OAuthError::new(why, status).into_source_error(None);
        error.is_unspent()
    }

    #[test]
    fn a_refresh_token_is_unspent_where_the_server_has_said_no() {
        for (code, status, expected) in [
            ("invalid_client", 401, true),
            ("invalid_grant", 400, true),
            ("temporarily_unavailable", 400, true),
            ("temporarily_unavailable", 200, true),
            ("one_of_its_own", 400, true),
            ("slow_down", 429, true),
            ("server_error", 400, false),
            ("temporarily_unavailable", 503, false),
            ("invalid_grant", 500, false),
            ("slow_down", 408, false),
        ] {
            let got = unspent(Why::of_code(code), Some(status));
            assert_eq!(got, expected, "{code} {status}");
        }
        for status in [307, 308, 403, 404, 429] {
            assert!(unspent(Why::Status, Some(status)), "{status}");
        }
        assert!(!unspent(Why::Redirect, Some(303)));
        assert!(!unspent(Why::TokenType, Some(200)));
        assert!(unspent(Why::NoRefreshToken, None));
        for status in [201, 301, 302, 303, 408, 500, 502, 503, 504] {
            assert!(!unspent(Why::Status, Some(status)), "{status}");
        }
        assert!(!unspent(Why::Malformed, Some(200)));
        assert!(!unspent(Why::NoAnswer("reset".into()), None));
    }
}
