//! gRPC's own status.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::{Exchange, Piece, Verdict};

static STATUS: HeaderName = HeaderName::from_static("grpc-status");
static PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

const OK: &[u8] = b"0";
const RESOURCE_EXHAUSTED: &[u8] = b"8";
const UNAVAILABLE: &[u8] = b"14";

/// Reads gRPC's status where it comes in place of an answer: in a response of trailers alone.
///
/// | `grpc-status` in the headers | verdict |
/// | --- | --- |
/// | 0, `OK` | success |
/// | 8, `RESOURCE_EXHAUSTED` | throttled |
/// | 14, `UNAVAILABLE` | transient |
/// | all others, also those that are none | final |
/// | none | no opinion |
///
/// The HTTP status is 200 in all of these, and a server that fails at once sends its trailers as headers. A status that comes
/// behind a body is not seen: by then the caller has the response. `grpc-retry-pushback-ms` is how long a server wants to
/// be left alone; a negative one, or one that is no number, asks for no retry at all (gRFC A6).
///
/// gRPC calls are POSTs: they are sent again where their class is [opted in](crate::RetryLayer::idempotent_class), or on proof.
///
/// ```
/// use retry_layer::{Classify, Grpc, RetryLayer, StatusClassifier};
///
/// let retry = RetryLayer::new().idempotent_class("lookup").classifier(StatusClassifier.unless(Grpc));
/// # let _ = retry;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grpc;

impl Piece for Grpc {
    fn opinion(&self, exchange: &Exchange<'_>) -> Option<Verdict> {
        let headers = exchange.headers()?;
        let throttled = match headers.get(&STATUS)?.as_bytes() {
            OK => return Some(Verdict::Success),
            RESOURCE_EXHAUSTED => true,
            UNAVAILABLE => false,
            _ => return Some(Verdict::Final),
        };
        Some(match pushback(headers) {
            None => Verdict::Final,
            Some(after) if throttled => Verdict::Throttled { after },
            Some(after) => Verdict::Transient { after },
        })
    }
}

/// How long the server wants to be left alone; `None` where it wants no retry. Of several fields the longest counts, unless one
/// of them asks for none.
fn pushback(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(&PUSHBACK).iter();
    fields
        .map(|field| read(field.as_bytes()))
        .try_fold(Duration::ZERO, |longest, pushback| {
            Some(longest.max(pushback?))
        })
}

/// A whole number of milliseconds, of 32 bits and not negative.
fn read(field: &[u8]) -> Option<Duration> {
    let millis: i32 = std::str::from_utf8(field).ok()?.parse().ok()?;
    u64::try_from(millis).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::super::support::{opinion, opinion_on_error};
    use super::*;

    #[test]
    fn a_status_in_the_headers_has_the_documented_verdict() {
        for code in 0..20u8 {
            let text: &'static str = code.to_string().leak();
            let expected = match code {
                0 => Verdict::Success,
                8 => Verdict::THROTTLED,
                14 => Verdict::TRANSIENT,
                _ => Verdict::Final,
            };
            let said = opinion(&Grpc, 200, &[("grpc-status", text)], "");
            assert_eq!(said, Some(expected), "{code}");
        }
        for text in ["", "-1", "UNAVAILABLE", "014"] {
            let said = opinion(&Grpc, 200, &[("grpc-status", text)], "");
            assert_eq!(said, Some(Verdict::Final), "{text:?}");
        }
        assert_eq!(opinion(&Grpc, 200, &[], ""), None);
        assert_eq!(opinion(&Grpc, 503, &[], ""), None);
        assert_eq!(opinion_on_error(&Grpc), None);
    }

    #[test]
    fn a_pushback_is_waited_for_and_a_negative_or_odd_one_ends_it() {
        let millis = |millis| Verdict::Transient {
            after: Duration::from_millis(millis),
        };
        for (fields, expected) in [
            (&["1500"][..], millis(1500)),
            (&["0"], millis(0)),
            (&["2147483647"], millis(2_147_483_647)),
            (&["-1"], Verdict::Final),
            (&["2147483648"], Verdict::Final),
            (&["soon"], Verdict::Final),
            (&[""], Verdict::Final),
            (&["1.5"], Verdict::Final),
            (&["5", "9"], millis(9)),
            (&["9", "-1"], Verdict::Final),
        ] {
            let mut headers = vec![("grpc-status", "14")];
            headers.extend(
                fields
                    .iter()
                    .map(|field| ("grpc-retry-pushback-ms", *field)),
            );
            let said = opinion(&Grpc, 200, &headers, "");
            assert_eq!(said, Some(expected), "{fields:?}");
        }
        let throttled = [("grpc-status", "8"), ("grpc-retry-pushback-ms", "7")];
        let after = Duration::from_millis(7);
        let expected = Some(Verdict::Throttled { after });
        assert_eq!(opinion(&Grpc, 200, &throttled, ""), expected);
        // A pushback makes nothing transient that is not.
        let denied = [("grpc-status", "7"), ("grpc-retry-pushback-ms", "7")];
        assert_eq!(opinion(&Grpc, 200, &denied, ""), Some(Verdict::Final));
    }
}
