//! Secrets that do not print, and the header values made of them.

use std::error::Error;
use std::fmt;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// A secret text: a key or a token. Does not print, and is overwritten when dropped.
///
/// The header value that is made of it is marked sensitive, so that it does not print either; its type cannot overwrite it.
///
/// ```
/// use auth_layer::Secret;
///
/// let key = Secret::from("sk_live_1");
/// assert_eq!(format!("{key:?}"), "Secret(..)");
/// assert_eq!(key.expose(), "sk_live_1");
/// ```
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

const BEARER: &str = "Bearer ";

/// What stands before the secret in its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `Bearer`, as in RFC 6750.
    Bearer,
    /// Nothing: the header holds the secret alone.
    Bare,
}

impl Scheme {
    /// Builds the header value, marked sensitive.
    pub(crate) fn value(self, secret: &Secret) -> Result<HeaderValue, Unsendable> {
        let text = secret.expose();
        check(text)?;
        let mut value = match self {
            Self::Bearer if text.contains(' ') => return Err(Unsendable::Whitespace),
            Self::Bearer => {
                // Its full size at once: what a growing string leaves behind is not overwritten.
                let mut line = Zeroizing::new(String::with_capacity(BEARER.len() + text.len()));
                line.push_str(BEARER);
                line.push_str(text);
                HeaderValue::from_str(&line)
            }
            Self::Bare => HeaderValue::from_str(text),
        }
        .map_err(|_| Unsendable::Character)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Scheme {
    /// The secret in a header value that this scheme has made.
    pub(crate) fn secret(self, value: &HeaderValue) -> Option<Secret> {
        let text = value.to_str().ok()?;
        let text = match self {
            Self::Bearer => text.strip_prefix(BEARER)?,
            Self::Bare => text,
        };
        Some(Secret::from(text))
    }
}

fn check(text: &str) -> Result<(), Unsendable> {
    if text.is_empty() {
        return Err(Unsendable::Empty);
    }
    if text.contains(['\r', '\n']) {
        return Err(Unsendable::LineBreak);
    }
    if text.trim_ascii().len() != text.len() || text.contains('\t') {
        return Err(Unsendable::Whitespace);
    }
    if !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err(Unsendable::Character);
    }
    Ok(())
}

/// Why a secret cannot stand in a header. Never echoes it.
///
/// Nothing is trimmed or repaired: a line break or a blank at the end usually means that the wrong thing was read, and
/// whoever reads a file or a variable knows whether its last line break belongs to the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsendable {
    /// There is nothing in it.
    Empty,
    /// A line break, at the end of a file perhaps.
    LineBreak,
    /// A blank or tab at either end, or anywhere in a bearer token.
    Whitespace,
    /// A control character, or one outside of ASCII.
    Character,
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the secret is empty",
            Self::LineBreak => "the secret contains a line break; trim what was read from a file",
            Self::Whitespace => "the secret contains whitespace where none may be; trim it",
            Self::Character => "the secret contains a character that is not visible ASCII",
        })
    }
}

impl Error for Unsendable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_becomes_a_sensitive_header_value() {
        for (scheme, expected) in [(Scheme::Bearer, "Bearer abc"), (Scheme::Bare, "abc")] {
            let value = scheme.value(&"abc".into()).expect("sendable");
            assert_eq!(value, expected);
            let secret = scheme.secret(&value).expect("its own value");
            assert_eq!(secret.expose(), "abc");
            assert!(value.is_sensitive());
        }
        assert!(Scheme::Bare.value(&"ApiKey abc".into()).is_ok());
    }

    #[test]
    fn what_no_header_can_hold_is_refused_without_an_echo() {
        for (text, error, shown) in [
            ("", Unsendable::Empty, "the secret is empty"),
            (
                "canary\n",
                Unsendable::LineBreak,
                "the secret contains a line break; trim what was read from a file",
            ),
            (
                "can\r\nary: x",
                Unsendable::LineBreak,
                "the secret contains a line break; trim what was read from a file",
            ),
            (
                "canary ",
                Unsendable::Whitespace,
                "the secret contains whitespace where none may be; trim it",
            ),
            (
                "can ary",
                Unsendable::Whitespace,
                "the secret contains whitespace where none may be; trim it",
            ),
            (
                "can\tary",
                Unsendable::Whitespace,
                "the secret contains whitespace where none may be; trim it",
            ),
            (
                "canaryü",
                Unsendable::Character,
                "the secret contains a character that is not visible ASCII",
            ),
            (
                "canary\0",
                Unsendable::Character,
                "the secret contains a character that is not visible ASCII",
            ),
        ] {
            assert_eq!(Scheme::Bearer.value(&text.into()), Err(error), "{error:?}");
            assert_eq!(error.to_string(), shown);
        }
    }
}
