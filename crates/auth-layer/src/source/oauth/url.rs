//! URLs that secrets go to.

use std::error::Error;
use std::fmt;

use call_context::{Origin, OriginError};
use http::Uri;
use oauth2::url::Url;

/// Reads an endpoint's URL: https, or http on this machine, without user information or fragment.
pub(super) fn endpoint(text: &str) -> Result<Url, UrlError> {
    let written: Uri = text.parse().map_err(|_| UrlError::of(Wrong::Malformed))?;
    let origin = Origin::of(&written).map_err(|why| UrlError::of(Wrong::Origin(why)))?;
    if !origin.is_https() && !origin.is_loopback() {
        return Err(UrlError::of(Wrong::PlainHttp));
    }
    let url = Url::parse(text).map_err(|_| UrlError::of(Wrong::Malformed))?;
    if url.fragment().is_some() {
        return Err(UrlError::of(Wrong::Fragment));
    }
    // The request is sent to what the URL library makes of it.
    let sent = url.as_str().parse::<Uri>();
    if !sent.is_ok_and(|sent| origin.matches(&sent)) {
        return Err(UrlError::of(Wrong::Malformed));
    }
    Ok(url)
}

/// Why an endpoint's URL is refused.
#[derive(Debug)]
pub struct UrlError {
    why: Wrong,
}

#[derive(Debug)]
enum Wrong {
    Malformed,
    Origin(OriginError),
    PlainHttp,
    Fragment,
    Callback,
}

impl UrlError {
    fn of(why: Wrong) -> Self {
        Self { why }
    }

    pub(super) fn callback() -> Self {
        Self::of(Wrong::Callback)
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.why {
            Wrong::Malformed => "the endpoint's URL cannot be read; write it as in https://host/path",
            Wrong::Origin(_) => "the endpoint's URL does not say clearly where to go",
            Wrong::PlainHttp => {
                "the endpoint's URL is plain http to another machine, where anybody on the way can read secrets; use https"
            }
            Wrong::Fragment => "the endpoint's URL has a fragment; cut it off at the `#` (RFC 6749, section 3)",
            Wrong::Callback => {
                "the callback must be an address of this machine (127.0.0.1 or [::1]) and a path of plain characters that begins with `/`"
            }
        })
    }
}

impl Error for UrlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            Wrong::Origin(why) => Some(why),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_to_https_or_to_this_machine() {
        for text in [
            "https://id.example.com/token",
            "https://id.example.com/token?tenant=1",
            "HTTPS://ID.example.com:8443/token",
            "http://127.0.0.1:8080/token",
            "http://localhost/token",
            "http://[::1]:3/token",
        ] {
            assert!(endpoint(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "/token",
            "id.example.com/token",
            "http://id.example.com/token",
            "http://127.0.0.1.evil.example/token",
            "https://127.0.0.1@evil.example/token",
            "https://user:canary@id.example.com/token",
            "https://id.example.com/token#x",
            "http://0x7f.1/token",
            "http://127.1/token",
            "ftp://127.0.0.1/token",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://id.example.com\\@evil.example/",
            "https:id.example.com",
        ] {
            let error = endpoint(text).expect_err(text);
            assert!(!format!("{error:?}{error}").contains("canary"));
        }
    }
}
