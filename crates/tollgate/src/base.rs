//! The URL that all routes of an API begin with.

use std::fmt;
use std::str::FromStr;

use call_context::{Class, Origin, OriginError, Route, canonical};
use http::{Method, Uri};

/// The URL that all routes of an API begin with, such as `https://app.torque.fi/api/v1`.
///
/// ```
/// use http::Method;
/// use tollgate::BaseUrl;
///
/// let base: BaseUrl = "https://app.torque.fi/api/v1/".parse()?;
/// assert_eq!(base.origin().to_string(), "https://app.torque.fi");
/// assert_eq!(base.uri("/capabilities"), "https://app.torque.fi/api/v1/capabilities");
/// // Matches GET https://app.torque.fi/api/v1/capabilities.
/// let route = base.route(Method::GET, "/capabilities", "public");
/// # Ok::<(), tollgate::BaseUrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    origin: Origin,
    path: String,
}

impl BaseUrl {
    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The route `pattern` below this URL.
    pub fn route(&self, method: Method, pattern: &str, class: impl Into<Class>) -> Route {
        Route::new(method, format!("{}{pattern}", self.path), class)
    }

    /// The URI of `path`, which begins with a slash, below this URL.
    pub fn uri(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin, self.path)
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    /// Reads a URL; a slash at its end makes no difference.
    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let uri: Uri = text
            .parse()
            .map_err(|_| BaseUrlError(Fault::Origin(OriginError::Malformed)))?;
        let origin = Origin::of(&uri).map_err(|error| BaseUrlError(Fault::Origin(error)))?;
        if uri.query().is_some() {
            return Err(BaseUrlError(Fault::Query));
        }
        canonical::check(uri.path()).map_err(|error| BaseUrlError(Fault::Path(error)))?;
        Ok(Self {
            origin,
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

/// Why something is no base URL. Says what to change, without echoing the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrlError(Fault);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    Origin(OriginError),
    Path(canonical::PathError),
    Query,
}

impl fmt::Display for BaseUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Fault::Origin(error) => write!(f, "no base URL: {error}"),
            Fault::Path(error) => write!(f, "no base URL: {error}"),
            Fault::Query => f.write_str("a base URL has no query; remove it"),
        }
    }
}

impl std::error::Error for BaseUrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_makes_no_difference() {
        let with: BaseUrl = "https://h.example/api/".parse().expect("valid");
        let without: BaseUrl = "https://h.example/api".parse().expect("valid");
        assert_eq!(with, without);
        let bare: BaseUrl = "http://127.0.0.1:3000".parse().expect("valid");
        assert_eq!(bare.uri("/x"), "http://127.0.0.1:3000/x");
    }

    #[test]
    fn what_is_no_base_url_says_what_to_change() {
        for (text, shown) in [
            (
                "/api/v1",
                "no base URL: the URI is relative; give scheme and host, as in https://host/path",
            ),
            (
                "https://h.example/api?x=secret",
                "a base URL has no query; remove it",
            ),
            (
                "https://h.example/a/../b",
                "no base URL: the path is ambiguous: a dot segment at byte 3",
            ),
        ] {
            let error = text.parse::<BaseUrl>().expect_err(text);
            assert_eq!(error.to_string(), shown);
        }
    }
}
