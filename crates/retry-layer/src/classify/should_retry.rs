//! Servers that say in a header whether a retry makes sense.

use http::HeaderName;

use super::{Classify, Exchange, Piece, StatusClassifier, Verdict};

/// Obeys a header of error responses by which a server asks for retries, or asks for none.
///
/// `x-should-retry: true` makes an error transient, or leaves it throttled where the [`StatusClassifier`] says so; `false` makes
/// it final. A convention, not a standard: Stripe, OpenAI and Anthropic send it to their own clients. Other values say nothing,
/// and of several fields one `false` is enough. Responses below 400 are not its business.
///
/// A `true` proves nothing: a POST without a key is not sent again for it.
///
/// ```
/// use http::HeaderName;
/// use retry_layer::{Classify, RetryLayer, ShouldRetry, StatusClassifier};
///
/// let own = ShouldRetry::named(HeaderName::from_static("x-try-again"));
/// let retry = RetryLayer::new().classifier(StatusClassifier.unless(own));
/// # let _ = retry;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShouldRetry {
    name: HeaderName,
}

impl ShouldRetry {
    /// Obeys the header `name`.
    pub fn named(name: HeaderName) -> Self {
        Self { name }
    }
}

impl Default for ShouldRetry {
    /// Obeys `x-should-retry`.
    fn default() -> Self {
        Self::named(HeaderName::from_static("x-should-retry"))
    }
}

impl Piece for ShouldRetry {
    fn opinion(&self, exchange: &Exchange<'_>) -> Option<Verdict> {
        if exchange.status()?.as_u16() < 400 {
            return None;
        }
        let mut wanted = None;
        for value in exchange.headers()?.get_all(&self.name) {
            let value = value.as_bytes().trim_ascii();
            if value.eq_ignore_ascii_case(b"false") {
                return Some(Verdict::Final);
            }
            if value.eq_ignore_ascii_case(b"true") {
                wanted = Some(());
            }
        }
        wanted.map(|()| match StatusClassifier.classify(exchange) {
            Verdict::Throttled { after } => Verdict::Throttled { after },
            _ => Verdict::TRANSIENT,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::support::{opinion, opinion_on_error};
    use super::*;

    #[test]
    fn the_header_is_obeyed_on_errors_alone() {
        let piece = ShouldRetry::default();
        let name = "x-should-retry";
        for (status, values, expected) in [
            (409, &["true"][..], Some(Verdict::TRANSIENT)),
            (429, &["true"], Some(Verdict::THROTTLED)),
            (500, &["false"], Some(Verdict::Final)),
            (500, &["False"], Some(Verdict::Final)),
            (400, &["TRUE"], Some(Verdict::TRANSIENT)),
            (500, &["true", "false"], Some(Verdict::Final)),
            (500, &["false", "true"], Some(Verdict::Final)),
            (500, &["maybe", "true"], Some(Verdict::TRANSIENT)),
            (500, &["1"], None),
            (500, &[""], None),
            (500, &[], None),
            (200, &["true"], None),
            (304, &["false"], None),
        ] {
            let headers: Vec<_> = values.iter().map(|value| (name, *value)).collect();
            let said = opinion(&piece, status, &headers, "");
            assert_eq!(said, expected, "{status} {values:?}");
        }
        assert_eq!(opinion_on_error(&piece), None);
    }

    #[test]
    fn another_name_is_obeyed_in_its_stead() {
        let piece = ShouldRetry::named(HeaderName::from_static("x-try-again"));
        let own = [("x-try-again", "false")];
        assert_eq!(opinion(&piece, 500, &own, ""), Some(Verdict::Final));
        let other = [("x-should-retry", "false")];
        assert_eq!(opinion(&piece, 500, &other, ""), None);
    }
}
