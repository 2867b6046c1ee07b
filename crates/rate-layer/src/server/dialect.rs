//! How servers say it.

use super::statements::Statements;
use crate::throttle::ResponseHead;

/// A way in which servers state their limits in response headers.
///
/// A function or closure of the same form is one, too; the types of its arguments must be written out. What cannot be read is
/// to be left out: numbers from a server are never an error.
///
/// ```
/// use rate_layer::{Dialect, ResponseHead, Stated, Statements};
///
/// /// `X-Shopify-Shop-Api-Call-Limit: 32/40`
/// fn shopify(head: &ResponseHead<'_>, into: &mut Statements) {
///     let Some(value) = head.headers().get("x-shopify-shop-api-call-limit") else {
///         return;
///     };
///     let Some((used, limit)) = value.to_str().ok().and_then(|value| value.split_once('/')) else {
///         return;
///     };
///     if let (Ok(used), Ok(limit)) = (used.parse(), limit.parse()) {
///         into.push(Stated::new().used(used).limit(limit));
///     }
/// }
///
/// # fn main() -> Result<(), http::Error> {
/// let response = http::Response::builder().header("x-shopify-shop-api-call-limit", "32/40").body(())?;
/// let mut statements = Statements::new();
/// shopify.read(&ResponseHead::of(&response), &mut statements);
/// assert_eq!(statements.as_slice()[0].left(), Some(8));
/// # Ok(())
/// # }
/// ```
pub trait Dialect: Send + Sync {
    /// Adds what `head` states to `into`.
    ///
    /// It runs once for each response, before the caller has it: where the headers it looks for are missing it should be done
    /// at once.
    fn read(&self, head: &ResponseHead<'_>, into: &mut Statements);
}

impl<F> Dialect for F
where
    F: Fn(&ResponseHead<'_>, &mut Statements) + Send + Sync,
{
    fn read(&self, head: &ResponseHead<'_>, into: &mut Statements) {
        self(head, into);
    }
}

/// What `dialect` reads from a response with these headers.
#[cfg(test)]
pub(super) fn read(dialect: &impl Dialect, headers: &[(&str, &str)]) -> Vec<super::Stated> {
    let mut response = http::Response::new(());
    for &(name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a name");
        let value = http::HeaderValue::from_bytes(value.as_bytes()).expect("a value");
        response.headers_mut().append(name, value);
    }
    let mut statements = Statements::new();
    dialect.read(&ResponseHead::of(&response), &mut statements);
    statements.as_slice().to_vec()
}
