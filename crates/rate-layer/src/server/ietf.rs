//! `RateLimit` and `RateLimit-Policy` of drafts 8 and later.

use http::HeaderName;

use super::dialect::Dialect;
use super::items::{Item, Items, Name, Param};
use super::stated::Stated;
use super::statements::Statements;
use crate::throttle::ResponseHead;

pub(super) static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(super) static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// `RateLimit` and `RateLimit-Policy` of the IETF, as they are since draft 8.
///
/// ```text
/// RateLimit-Policy: "burst";q=100;w=60, "daily";q=1000;w=86400
/// RateLimit: "burst";r=50;t=30
/// ```
///
/// Structured fields (RFC 9651): lists of strings that name policies, on one line or several. `r` remains for `t` seconds, of a quota `q`
/// in a window of `w` seconds; the two fields are brought together by the policy's name and, where both tell it, the partition key
/// `pk`. Policies that count something other than requests (`qu`) are left out, and parameters that the drafts do not define
/// are comments. A field with anything malformed in it is ignored as a whole, and so is what a cache has kept for a while.
///
/// Source: [draft-ietf-httpapi-ratelimit-headers-10](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10),
/// sections 3, 4 and 7, caches in 7.3. Drafts [8](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-08) and
/// [9](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-09) have the same fields; `r` may be missing in draft
/// 8, and whatever is missing is not stated.
///
/// ```
/// use std::time::Duration;
///
/// use rate_layer::{Dialect, Ietf, ResponseHead, Stated, Statements};
///
/// # fn main() -> Result<(), http::Error> {
/// let response = http::Response::builder()
///     .header("ratelimit-policy", r#""burst";q=100;w=60"#)
///     .header("ratelimit", r#""burst";r=50;t=30"#)
///     .body(())?;
/// let mut statements = Statements::new();
/// Ietf.read(&ResponseHead::of(&response), &mut statements);
/// let seconds = Duration::from_secs;
/// let burst = Stated::new().limit(100).window(seconds(60)).remaining(50).reset(seconds(30));
/// assert_eq!(statements.as_slice(), [burst]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Ietf;

impl Dialect for Ietf {
    fn read(&self, head: &ResponseHead<'_>, into: &mut Statements) {
        let headers = head.headers();
        let has = |name| headers.contains_key(name);
        if !(has(&RATE_LIMIT) || has(&POLICY)) || head.is_cached() {
            return;
        }
        let policies = Items::of(headers, &POLICY, is_policy);
        let services = Items::of(headers, &RATE_LIMIT, is_service);
        for service in services.iter() {
            let of_service = || policies.iter().filter(|policy| are_one(service, policy));
            if of_service().all(counts_requests) {
                into.push(of_service().fold(state(service), with_policy));
            }
        }
        for policy in policies.iter().filter(|policy| counts_requests(policy)) {
            if !services.iter().any(|service| are_one(service, policy)) {
                into.push(with_policy(Stated::new(), policy));
            }
        }
    }
}

fn is_policy(item: &Item<'_>) -> bool {
    let malformed = item.q.is_malformed() || item.w.is_malformed();
    is_named(item) && !malformed && !item.qu.is_malformed()
}

fn is_service(item: &Item<'_>) -> bool {
    is_named(item) && !item.r.is_malformed() && !item.t.is_malformed()
}

fn is_named(item: &Item<'_>) -> bool {
    matches!(item.name, Name::Text(_)) && !item.pk.is_malformed()
}

fn counts_requests(policy: &Item<'_>) -> bool {
    policy.qu != Param::Is(false)
}

/// Whether a service limit and a policy belong together.
fn are_one(service: &Item<'_>, policy: &Item<'_>) -> bool {
    let (Name::Text(of), Name::Text(name)) = (&service.name, &policy.name) else {
        return false;
    };
    let keys = service.pk.get().zip(policy.pk.get());
    of == name && keys.is_none_or(|(of, key)| of == key)
}

fn state(service: &Item<'_>) -> Stated {
    Stated {
        remaining: service.r.get().copied(),
        reset: service.t.seconds(),
        ..Stated::new()
    }
}

/// Adds what `policy` says; where another has said something already, the tighter of both.
fn with_policy(stated: Stated, policy: &Item<'_>) -> Stated {
    let quota = policy.q.get().copied();
    Stated {
        limit: [stated.limit, quota].into_iter().flatten().min(),
        window: stated.window.max(policy.w.seconds()),
        ..stated
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::dialect::read;
    use super::*;

    const P: &str = "RateLimit-Policy";
    const R: &str = "RateLimit";

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_service_limit_and_its_policy_are_one_statement() {
        let burst = Stated::new().limit(100).window(s(60));
        let daily = Stated::new().limit(1000).window(s(86_400));
        let left = Stated::new().remaining(50).reset(s(30));
        let whole = burst.remaining(50).reset(s(30));
        for (headers, expected) in [
            (vec![(R, r#""burst";r=50;t=30"#)], vec![left]),
            (vec![(P, r#""burst";q=100;w=60"#)], vec![burst]),
            (
                vec![(P, r#""burst";q=100;w=60"#), (R, r#""burst";r=50;t=30"#)],
                vec![whole],
            ),
            (
                vec![
                    (P, r#""burst"; q=100; w=60"#),
                    (R, r#"  "burst"; r=50; t=30 "#),
                ],
                vec![whole],
            ),
            (
                vec![
                    (P, r#""burst";q=100;w=60,"daily";q=1000;w=86400"#),
                    (R, r#""burst";r=50;t=30"#),
                ],
                vec![whole, daily],
            ),
            // On several lines.
            (
                vec![
                    (P, r#""burst";q=100;w=60"#),
                    (P, r#""daily";q=1000;w=86400"#),
                    (R, r#""daily";r=7"#),
                    (R, r#""burst";r=50;t=30"#),
                ],
                vec![daily.remaining(7), whole],
            ),
            // Named apart.
            (
                vec![(P, r#""a";q=100;w=60"#), (R, r#""b";r=50;t=30"#)],
                vec![left, burst],
            ),
            // Nothing left, and no reset.
            (
                vec![(R, r#""burst";r=0"#)],
                vec![Stated::new().remaining(0)],
            ),
            (
                vec![(P, r#""burst";w=60"#)],
                vec![Stated::new().window(s(60))],
            ),
            // What is not defined is a comment; the last of a parameter counts.
            (
                vec![(R, r#""burst";r=9;acme-mood=sad;r=50;x;t=30;q=bad;w=-1"#)],
                vec![left],
            ),
            (
                vec![(P, r#""burst";q=bad;q=100;w=60;r=bad;t=bad"#)],
                vec![burst],
            ),
            (
                vec![(P, r#""a\"b";q=100;w=60"#), (R, r#""a\"b";r=50;t=30"#)],
                vec![whole],
            ),
        ] {
            assert_eq!(read(&Ietf, &headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn partitions_are_told_apart_by_their_keys_where_both_sides_tell_them() {
        let whole = Stated::new().limit(100).window(s(60)).remaining(50);
        for (policy, service, expected) in [
            (r#""u";q=100;w=60;pk=:AQ==:"#, r#""u";r=50"#, vec![whole]),
            (r#""u";q=100;w=60"#, r#""u";r=50;pk=:AQ==:"#, vec![whole]),
            (
                r#""u";q=100;w=60;pk=:AQ==:"#,
                r#""u";r=50;pk=:AQ==:"#,
                vec![whole],
            ),
            (
                r#""u";q=100;w=60;pk=:AQ==:"#,
                r#""u";r=50;pk=:Ag==:"#,
                vec![
                    Stated::new().remaining(50),
                    Stated::new().limit(100).window(s(60)),
                ],
            ),
        ] {
            assert_eq!(
                read(&Ietf, &[(P, policy), (R, service)]),
                expected,
                "{policy} {service}"
            );
        }
    }

    #[test]
    fn quotas_of_something_other_than_requests_are_left_out() {
        let policies = r#""b";q=65535;qu="content-bytes";w=10, "r";q=5;qu="requests";w=10"#;
        let expected = [Stated::new().limit(5).window(s(10)).remaining(1)];
        assert_eq!(
            read(&Ietf, &[(P, policies), (R, r#""b";r=0;t=9, "r";r=1"#)]),
            expected
        );
    }

    #[test]
    fn a_field_with_anything_malformed_in_it_is_ignored_as_a_whole() {
        for service in [
            "",
            "burst;r=50",
            "50;r=1",
            r#""burst""#,
            r#"("burst");r=50"#,
            r#""burst";r=-1"#,
            r#""burst";r=1.5"#,
            r#""burst";r="1""#,
            r#""burst";r"#,
            r#""burst";r=1;t=-1"#,
            r#""burst";r=1;pk=key"#,
            r#""burst";r=1,"#,
            r#""burst;r=1"#,
            r#""burst";r=1 x"#,
            r#""burst";r=99999999999999999999"#,
            r#""burst";R=1"#,
            "\"b\u{e4}\";r=1",
            r#""a";r=1, "b";r=x"#,
            "limit=2, remaining=1, reset=60",
        ] {
            assert_eq!(read(&Ietf, &[(R, service)]), [], "{service}");
            let both = [(R, service), (R, r#""good";r=1"#)];
            let is_well_formed = service.is_empty() || service == r#""burst""#;
            let expected = usize::from(is_well_formed);
            assert_eq!(read(&Ietf, &both).len(), expected, "{service}");
        }
        for policy in [
            r#""a";q=1;w=0"#,
            r#""a";q=1;w=1.0"#,
            r#""a";q=-1"#,
            r#""a";q=1;qu=requests"#,
            "100;w=60",
        ] {
            assert_eq!(read(&Ietf, &[(P, policy)]), [], "{policy}");
        }
        // The other field still counts.
        assert_eq!(
            read(&Ietf, &[(P, "x;"), (R, r#""a";r=1"#)]),
            [Stated::new().remaining(1)]
        );
    }

    #[test]
    fn absurd_times_are_left_out_and_cached_responses_ignored() {
        let absurd = r#""a";r=1;t=999999999999999"#;
        assert_eq!(read(&Ietf, &[(R, absurd)]), [Stated::new().remaining(1)]);
        let good = (R, r#""a";r=1"#);
        assert_eq!(read(&Ietf, &[good, ("age", "17")]), []);
        for age in ["0", "", "-1", "x"] {
            assert_eq!(read(&Ietf, &[good, ("age", age)]).len(), 1, "{age}");
        }
    }

    #[test]
    fn more_policies_than_there_is_room_for_are_left_out() {
        let many: Vec<_> = (0..40).map(|n| format!("\"p{n}\";q={}", n + 1)).collect();
        assert_eq!(
            read(&Ietf, &[(P, &many.join(","))]).len(),
            Statements::CAPACITY
        );
        // But looked at.
        let spoilt = format!("{}, \"last\";q=-1", many.join(","));
        assert_eq!(read(&Ietf, &[(P, &spoilt)]), []);
    }
}
