//! Where a request really goes, as far as its head tells: pure checks over URI and headers.

use call_context::Origin;
use http::header::{AUTHORIZATION, HOST};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, Uri};

use crate::Reason;

/// Whether `headers` has neither `Host` nor `Authorization` nor one of `others`.
#[inline]
pub(crate) fn is_plain(headers: &HeaderMap, others: &[HeaderName]) -> bool {
    !headers.contains_key(HOST)
        && !headers.contains_key(AUTHORIZATION)
        && !others.iter().any(|other| headers.contains_key(other))
}

/// Refuses a URI with user information, and a `Host` header that names another server than the URI.
pub(crate) fn destination(uri: &Uri, headers: &HeaderMap) -> Result<(), Reason> {
    let Some(authority) = uri.authority() else {
        return Ok(());
    };
    if authority.as_str().contains('@') {
        return Err(Reason::UserInformation);
    }
    let mut hosts = headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else {
        return Ok(());
    };
    if hosts.next().is_some() || !names(host.as_bytes(), authority, uri.scheme()) {
        return Err(Reason::ForgedHost);
    }
    Ok(())
}

/// Whether a `Host` header names `authority`, in any case and with or without the scheme's default port.
fn names(host: &[u8], authority: &Authority, scheme: Option<&Scheme>) -> bool {
    if host.eq_ignore_ascii_case(authority.as_str().as_bytes()) {
        return true;
    }
    Authority::try_from(host).is_ok_and(|host| {
        !host.as_str().contains('@')
            && host.host().eq_ignore_ascii_case(authority.host())
            && port(&host, scheme).is_some_and(|p| Some(p) == port(authority, scheme))
    })
}

fn port(authority: &Authority, scheme: Option<&Scheme>) -> Option<u16> {
    if authority.as_str().len() > authority.host().len() {
        return authority.port_u16();
    }
    match scheme {
        Some(scheme) if *scheme == Scheme::HTTPS => Some(443),
        Some(scheme) if *scheme == Scheme::HTTP => Some(80),
        _ => None,
    }
}

/// Says why a URI that belongs to none of `origins` does not.
pub(crate) fn misplaced(uri: &Uri, origins: &[Origin]) -> Reason {
    if uri.authority().is_none() || uri.scheme().is_none() {
        return Reason::RelativeUri;
    }
    let same_host = |origin: &Origin| {
        uri.host()
            .is_some_and(|host| host.eq_ignore_ascii_case(origin.host()))
    };
    if uri.scheme() == Some(&Scheme::HTTP) && origins.iter().any(|o| o.is_https() && same_host(o)) {
        return Reason::PlainHttp;
    }
    Reason::Elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, hosts: &[&str]) -> Result<(), Reason> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().expect("a header value"));
        }
        destination(&uri.parse().expect("a URI"), &headers)
    }

    #[test]
    fn a_host_header_may_only_say_what_the_uri_says() {
        for (uri, host) in [
            ("https://api.example.com/a", "api.example.com"),
            ("https://api.example.com/a", "API.example.com"),
            ("https://api.example.com/a", "api.example.com:443"),
            ("https://api.example.com:443/a", "api.example.com"),
            ("http://[::1]:3000/a", "[::1]:3000"),
        ] {
            assert_eq!(check(uri, &[host]), Ok(()), "{uri} {host}");
        }
        for (uri, host) in [
            ("https://api.example.com/a", "evil.example"),
            ("https://api.example.com/a", "api.example.com."),
            ("https://api.example.com/a", "api.example.com:80"),
            ("https://api.example.com/a", "api.example.com:"),
            ("https://api.example.com/a", "api.example.com@evil.example"),
            (
                "https://api.example.com/a",
                "api.example.com@api.example.com",
            ),
            ("https://api.example.com:8443/a", "api.example.com"),
            ("https://api.example.com/a", ""),
        ] {
            assert_eq!(check(uri, &[host]), Err(Reason::ForgedHost), "{uri} {host}");
        }
        let twice = ["api.example.com", "api.example.com"];
        assert_eq!(
            check("https://api.example.com/a", &twice),
            Err(Reason::ForgedHost)
        );
    }

    #[test]
    fn user_information_is_refused_also_where_it_is_empty() {
        for uri in ["https://a:b@c.example/", "https://a@c.example/"] {
            assert_eq!(check(uri, &[]), Err(Reason::UserInformation), "{uri}");
        }
    }
}
