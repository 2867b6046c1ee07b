//! What tells the requests of one window from those of another, and where it is usually found.

use std::borrow::Cow;
use std::fmt;

use call_context::SlotName;
use http::{HeaderName, HeaderValue};
use matchit::Router;

pub use matchit::InsertError as PatternError;

use crate::head::RequestHead;

/// What tells the requests of one window from those of another: bytes that are equal for the same one.
///
/// May be a secret: `Debug` prints its length alone.
///
/// ```
/// use rate_layer::{Key, Keyed, MINUTE, Quota};
///
/// #[derive(Clone)]
/// struct Tenant(u64);
///
/// let by_tenant = Keyed::new(Quota::rolling(100, MINUTE), |head| {
///     head.extensions().get::<Tenant>().map(|tenant| Key::from(tenant.0))
/// });
/// # let _ = by_tenant;
/// ```
#[derive(Clone)]
pub struct Key<'a>(Repr<'a>);

#[derive(Clone)]
enum Repr<'a> {
    Bytes(Cow<'a, [u8]>),
    Number([u8; 8]),
}

impl Key<'_> {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Bytes(bytes) => bytes,
            Repr::Number(bytes) => bytes,
        }
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key<'_> {}

impl<'a> From<&'a str> for Key<'a> {
    fn from(key: &'a str) -> Self {
        Self(Repr::Bytes(Cow::Borrowed(key.as_bytes())))
    }
}

impl<'a> From<&'a [u8]> for Key<'a> {
    fn from(key: &'a [u8]) -> Self {
        Self(Repr::Bytes(Cow::Borrowed(key)))
    }
}

impl From<String> for Key<'_> {
    fn from(key: String) -> Self {
        Self(Repr::Bytes(Cow::Owned(key.into_bytes())))
    }
}

impl From<u64> for Key<'_> {
    fn from(key: u64) -> Self {
        Self(Repr::Number(key.to_be_bytes()))
    }
}

impl<'a> From<&'a HeaderValue> for Key<'a> {
    fn from(key: &'a HeaderValue) -> Self {
        Self::from(key.as_bytes())
    }
}

impl<'a> From<&'a SlotName> for Key<'a> {
    fn from(key: &'a SlotName) -> Self {
        Self::from(key.as_str())
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.as_bytes().len())
    }
}

/// By the slot that the call's credential comes from, which a gate above has resolved.
///
/// Handed as it is to [`Keyed::new`](crate::Keyed::new).
pub fn slot<'a>(head: &RequestHead<'a>) -> Option<Key<'a>> {
    head.slot().map(Key::from)
}

/// By the host and port that the request is sent to, as they stand in its URI; in lower case.
///
/// Handed as it is to [`Keyed::new`](crate::Keyed::new).
pub fn host<'a>(head: &RequestHead<'a>) -> Option<Key<'a>> {
    let authority = head.uri().authority()?;
    // What stands before the host says who calls, not whom.
    let host = authority.as_str().rsplit('@').next()?;
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Some(Key::from(host.to_ascii_lowercase()))
    } else {
        Some(Key::from(host))
    }
}

/// By the value of the header `name`: the first, where there are several.
pub fn header(
    name: HeaderName,
) -> impl for<'a> Fn(&RequestHead<'a>) -> Option<Key<'a>> + Send + Sync + 'static {
    as_key(move |head| header_of(head, &name))
}

/// Says of a closure that its key borrows from the request.
fn as_key<F>(key: F) -> F
where
    F: for<'a> Fn(&RequestHead<'a>) -> Option<Key<'a>>,
{
    key
}

fn header_of<'a>(head: &RequestHead<'a>, name: &HeaderName) -> Option<Key<'a>> {
    head.headers().get(name).map(Key::from)
}

/// By the part `parameter` of paths that match `pattern`, such as `account` of `/accounts/{account}/{*rest}`.
///
/// Patterns are those of [`Route`](call_context::Route). A path that does not match has no key.
///
/// ```
/// use rate_layer::{Keyed, MINUTE, Quota, key};
///
/// let by_account = key::path("/accounts/{account}/{*rest}", "account")?;
/// let accounts = Keyed::new(Quota::rolling(100, MINUTE), by_account);
/// # let _ = accounts;
/// # Ok::<(), rate_layer::key::PatternError>(())
/// ```
///
/// # Errors
///
/// Where `pattern` is none.
pub fn path(
    pattern: &str,
    parameter: &str,
) -> Result<
    impl for<'a> Fn(&RequestHead<'a>) -> Option<Key<'a>> + Send + Sync + 'static,
    PatternError,
> {
    let mut router = Router::new();
    router.insert(pattern, ())?;
    let parameter = parameter.to_owned();
    Ok(as_key(move |head| path_of(head, &router, &parameter)))
}

fn path_of<'a>(head: &RequestHead<'a>, router: &Router<()>, parameter: &str) -> Option<Key<'a>> {
    let matched = router.at(head.uri().path()).ok()?;
    matched.params.get(parameter).map(Key::from)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn keys(
        uri: &str,
        key: impl for<'a> Fn(&RequestHead<'a>) -> Option<Key<'a>>,
    ) -> Option<String> {
        let request = Request::get(uri)
            .header("x-account", "a-1")
            .body(())
            .expect("valid");
        let key = key(&RequestHead::of(&request))?;
        Some(String::from_utf8(key.as_bytes().to_vec()).expect("text"))
    }

    #[test]
    fn each_place_to_find_a_key_finds_it_or_nothing() {
        let uri = "https://user@API.example.com:8443/accounts/42/orders?x=y";
        assert_eq!(keys(uri, host).as_deref(), Some("api.example.com:8443"));
        assert_eq!(keys("/relative", host), None);
        let account = header(HeaderName::from_static("x-account"));
        assert_eq!(keys(uri, account).as_deref(), Some("a-1"));
        let tenant = header(HeaderName::from_static("x-tenant"));
        assert_eq!(keys(uri, tenant), None);
        let by_path = path("/accounts/{account}/{*rest}", "account").expect("a pattern");
        assert_eq!(keys(uri, by_path).as_deref(), Some("42"));
        let by_path = path("/accounts/{account}/{*rest}", "account").expect("a pattern");
        assert_eq!(keys("https://h.example/other", by_path), None);
        assert!(path("/{open", "open").is_err());
        assert_eq!(keys(uri, slot), None);
    }

    #[test]
    fn keys_are_equal_when_their_bytes_are_and_do_not_print() {
        assert_eq!(Key::from("abc"), Key::from(String::from("abc")));
        assert_eq!(Key::from(1), Key::from(&1_u64.to_be_bytes()[..]));
        assert_eq!(format!("{:?}", Key::from("sk_live_1")), "Key(9 bytes)");
    }
}
