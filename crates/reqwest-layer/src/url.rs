//! The way from an `http::Uri` to reqwest's URL, which must not rewrite anything.

use std::error::Error;
use std::fmt;

use call_context::{BoxError, NeverLeft, Refusal};
use http::header::{HOST, HeaderValue};
use http::{Request, Uri};
use http_body::Body as HttpBody;
use reqwest::Url;

use crate::body;

/// A request that was refused because reqwest would send another URL than the one it came with.
///
/// reqwest reads URLs by the WHATWG standard, which resolves dot segments and writes some characters in another way.
/// What the layers above have classified, and bound a credential to, must be what goes on the wire, so such a request
/// never leaves: the error's chain ends in a permanent [`NeverLeft`]. It names the part that would change, and not the
/// URL.
#[derive(Debug)]
pub struct UrlError {
    part: UrlPart,
    never_left: NeverLeft,
}

/// The part of a URL that reqwest would write in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlPart {
    /// There is no scheme or no host, or no URL library can read the URL.
    Whole,
    /// The scheme, which is neither `http` nor `https`.
    Scheme,
    /// A user name or password before the host.
    UserInformation,
    /// The host, for instance `127.1` or `0x7f.1`.
    Host,
    /// The port, for instance an empty one.
    Port,
    /// The path, for instance one with dot segments.
    Path,
    /// The query, for instance one with a quote that is not percent-encoded.
    Query,
}

impl UrlError {
    fn new(part: UrlPart) -> Self {
        Self {
            part,
            never_left: NeverLeft::new(Refusal::Permanent),
        }
    }

    /// The part that would change.
    pub fn part(&self) -> UrlPart {
        self.part
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.part {
            UrlPart::Whole => "the URL is not absolute: give scheme and host, as in https://host/path",
            UrlPart::Scheme => "the URL's scheme is neither http nor https",
            UrlPart::UserInformation => {
                "the URL has a user name or password before its host; remove it"
            }
            UrlPart::Host => {
                "reqwest would rewrite the URL's host; write the plain name or address, as in 127.0.0.1"
            }
            UrlPart::Port => "the URL's port is not a number that reqwest would keep",
            UrlPart::Path => {
                "reqwest would rewrite the URL's path; resolve dot segments and percent-encode what a path may not contain"
            }
            UrlPart::Query => {
                "reqwest would rewrite the URL's query; percent-encode quotes and what a query may not contain"
            }
        })
    }
}

impl Error for UrlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.never_left)
    }
}

/// Turns a request into reqwest's. Its timeout, version and extensions stay; a `Host` that it lacks is written here,
/// since reqwest would take one from the client's default headers, below every check.
pub(crate) fn into_reqwest<B>(request: Request<B>) -> Result<reqwest::Request, BoxError>
where
    B: HttpBody + Send + 'static,
    B::Data: Into<bytes::Bytes>,
    B::Error: Into<BoxError>,
{
    let uri = request.uri().clone();
    let request = request.map(body::into_reqwest);
    let mut request =
        reqwest::Request::try_from(request).map_err(|_| UrlError::new(UrlPart::Whole))?;
    if let Some(part) = rewritten(&uri, request.url()) {
        return Err(UrlError::new(part).into());
    }
    if !request.headers().contains_key(HOST) {
        let host = host(request.url()).ok_or_else(|| UrlError::new(UrlPart::Host))?;
        request.headers_mut().insert(HOST, host);
    }
    Ok(request)
}

/// What a client says in `Host`: the port only where it is not the scheme's own, as in HTTP/2's `:authority`.
fn host(url: &Url) -> Option<HeaderValue> {
    let host = url.host_str()?;
    match url.port() {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")).ok(),
        None => HeaderValue::from_str(host).ok(),
    }
}

/// The first part in which `url` says something else than `uri`.
fn rewritten(uri: &Uri, url: &Url) -> Option<UrlPart> {
    let Some(authority) = uri.authority() else {
        return Some(UrlPart::Whole);
    };
    if authority.as_str().contains('@') || !url.username().is_empty() || url.password().is_some() {
        return Some(UrlPart::UserInformation);
    }
    let default = match (uri.scheme_str(), url.scheme()) {
        (Some("http"), "http") => 80,
        (Some("https"), "https") => 443,
        _ => return Some(UrlPart::Scheme),
    };
    if !url
        .host_str()
        .is_some_and(|host| host.eq_ignore_ascii_case(authority.host()))
    {
        return Some(UrlPart::Host);
    }
    // A default port may be written or left out. Anything but a number would have to be guessed at.
    let written = &authority.as_str()[authority.host().len()..];
    let port = match authority.port_u16() {
        None if written.is_empty() => Some(default),
        port => port,
    };
    if port.is_none() || port != url.port_or_known_default() {
        return Some(UrlPart::Port);
    }
    if uri.path() != url.path() {
        return Some(UrlPart::Path);
    }
    (uri.query() != url.query()).then_some(UrlPart::Query)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_passes_is_what_hyper_is_given(
            host in "[a-z0-9.-]{1,8}|\\[[0-9a-f:]{2,8}\\]",
            port in "|:|:[0-9]{1,5}",
            target in "[/?][!-~]{0,24}|(/(\\.|%2[eEfF]|[a-z;@:{}]){0,4}){0,4}(\\?[!-~]{0,8})?",
        ) {
            let Ok(uri) = format!("http://{host}{port}{target}").parse::<Uri>() else {
                return Ok(());
            };
            let request = Request::get(uri.clone()).body(String::new()).expect("a request");
            let Ok(request) = into_reqwest(request) else {
                return Ok(());
            };
            // reqwest itself parses the URL's text into the URI that it gives to hyper.
            let sent: Uri = request.url().as_str().parse().expect("a URI");
            prop_assert_eq!((sent.path(), sent.query()), (uri.path(), uri.query()));
            prop_assert_eq!(sent.host().map(str::to_ascii_lowercase), uri.host().map(str::to_ascii_lowercase));
            prop_assert_eq!(sent.port_u16().unwrap_or(80), uri.port_u16().unwrap_or(80));
            prop_assert_eq!(request.headers()[HOST].to_str().ok(), sent.authority().map(|a| a.as_str()));
            // And it parses that URI to tell which URL has answered.
            let answered: Url = sent.to_string().parse().expect("a URL");
            prop_assert_eq!(&answered, request.url());
        }
    }

    fn part(uri: &str) -> Option<UrlPart> {
        let uri: Uri = uri.parse().expect(uri);
        let request = Request::get(uri).body(String::new()).expect("a request");
        into_reqwest(request).err().map(|error| {
            assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
            assert!(!error.to_string().contains("canary"), "{error}");
            error.downcast_ref::<UrlError>().expect("ours").part()
        })
    }

    #[test]
    fn what_reqwest_would_rewrite_is_refused_by_name() {
        for (uri, expected) in [
            ("/canary", UrlPart::Whole),
            ("canary.example", UrlPart::Whole),
            ("ftp://canary.example/", UrlPart::Scheme),
            ("http://u:p@canary.example/", UrlPart::UserInformation),
            ("http://u@canary.example/", UrlPart::UserInformation),
            ("http://@canary.example/", UrlPart::UserInformation),
            ("http://127.1/canary", UrlPart::Host),
            ("http://0x7f.1/canary", UrlPart::Host),
            ("http://2130706433/canary", UrlPart::Host),
            ("http://canary.example:/", UrlPart::Port),
            ("http://h/canary/../x", UrlPart::Path),
            ("http://h/canary/%2e%2e/x", UrlPart::Path),
            ("http://h/canary/.%2E/x", UrlPart::Path),
            ("http://h/canary/./x", UrlPart::Path),
            ("http://h/canary/{id}", UrlPart::Path),
            ("http://h/canary?q='a'", UrlPart::Query),
        ] {
            assert_eq!(part(uri), Some(expected), "{uri}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_write_instead() {
        for (part, text) in [
            (
                UrlPart::Whole,
                "the URL is not absolute: give scheme and host, as in https://host/path",
            ),
            (
                UrlPart::Scheme,
                "the URL's scheme is neither http nor https",
            ),
            (
                UrlPart::UserInformation,
                "the URL has a user name or password before its host; remove it",
            ),
            (
                UrlPart::Host,
                "reqwest would rewrite the URL's host; write the plain name or address, as in 127.0.0.1",
            ),
            (
                UrlPart::Port,
                "the URL's port is not a number that reqwest would keep",
            ),
            (
                UrlPart::Path,
                "reqwest would rewrite the URL's path; resolve dot segments and percent-encode what a path may not contain",
            ),
            (
                UrlPart::Query,
                "reqwest would rewrite the URL's query; percent-encode quotes and what a query may not contain",
            ),
        ] {
            assert_eq!(UrlError::new(part).to_string(), text);
        }
    }

    #[test]
    fn a_host_is_written_as_in_the_authority_and_a_written_one_stays() {
        for (uri, written, expected) in [
            ("http://H.Example/a", None, "h.example"),
            ("http://h:80/a", None, "h"),
            ("https://h:443/a", None, "h"),
            ("http://h:443/a", None, "h:443"),
            ("http://[::1]:3000/a", None, "[::1]:3000"),
            ("http://h/a", Some("another"), "another"),
        ] {
            let request = written
                .into_iter()
                .fold(Request::get(uri), |request, host| {
                    request.header(HOST, host)
                });
            let request = request.body(String::new()).expect("a request");
            let request = into_reqwest(request).expect(uri);
            assert_eq!(request.headers()[HOST], expected, "{uri}");
        }
    }

    #[test]
    fn every_other_url_passes_byte_for_byte() {
        for uri in [
            "http://h",
            "http://h/",
            "HTTP://H.Example/a",
            "http://h:80/a",
            "https://h:443/a",
            "https://h:8443/a?",
            "http://[::1]:3000/a",
            "http://127.0.0.1:3000/a;b=c/d@e:f!$&()*+,",
            "http://h/a//b/%2F%5c%65?x=%2e%2e/../y&z=//",
            "http://h/~a/a%20b/caf%C3%A9?q=%27a%27+b",
        ] {
            assert_eq!(part(uri), None, "{uri}");
        }
    }
}
