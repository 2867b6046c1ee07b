//! What `RateLimit` asks for.

use std::convert::Infallible;
use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, HeaderName};
use sfv::visitor::{
    DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor,
    ParameterVisitor,
};
use sfv::{BareItemFromInput, KeyRef, Parser};

static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// How long until a limit opens of which nothing remains; `None` where the response says of none.
///
/// The two forms of draft-ietf-httpapi-ratelimit-headers: a list of named limits (drafts 8 to 10, `"burst";r=0;t=60`), of which the
/// longest wait counts, and one dictionary (draft 7, `limit=2, remaining=0, reset=60`). A field with anything malformed in it
/// is ignored as a whole, and so is what a cache has kept for a while.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    if !headers.contains_key(&RATE_LIMIT) || is_cached(headers) {
        return None;
    }
    let lines = || {
        headers
            .get_all(&RATE_LIMIT)
            .iter()
            .map(|line| line.as_bytes())
    };
    let mut list = Limits::default();
    let mut lines_of_list = lines();
    if lines_of_list.all(|line| Parser::new(line).parse_list_with_visitor(&mut list).is_ok()) {
        return list.wait();
    }
    let mut one = Limit::default();
    let mut lines_of_dictionary = lines();
    if lines_of_dictionary.all(|line| {
        Parser::new(line)
            .parse_dictionary_with_visitor(&mut one)
            .is_ok()
    }) {
        return one.wait().ok()?;
    }
    None
}

fn is_cached(headers: &HeaderMap) -> bool {
    let age = headers.get(AGE).and_then(|age| age.to_str().ok());
    age.and_then(|age| age.trim().parse().ok())
        .is_some_and(|age: u64| age > 0)
}

/// A parameter that was said, as it should be or not.
#[derive(Clone, Copy, Debug, Default)]
enum Count {
    #[default]
    Unsaid,
    Is(u64),
    Malformed,
}

impl Count {
    fn of(value: &BareItemFromInput<'_>) -> Self {
        let value = value.as_integer().map(i64::from);
        match value.and_then(|value| u64::try_from(value).ok()) {
            Some(value) => Self::Is(value),
            None => Self::Malformed,
        }
    }
}

struct Malformed;

#[derive(Clone, Copy, Debug, Default)]
struct Limit {
    remaining: Count,
    reset: Count,
}

impl Limit {
    fn wait(&self) -> Result<Option<Duration>, Malformed> {
        match (self.remaining, self.reset) {
            (Count::Malformed, _) | (_, Count::Malformed) => Err(Malformed),
            (Count::Is(0), Count::Is(seconds)) => Ok(Some(Duration::from_secs(seconds))),
            _ => Ok(None),
        }
    }
}

/// All limits of a list.
#[derive(Debug, Default)]
struct Limits {
    longest: Option<Duration>,
    is_spoilt: bool,
}

impl Limits {
    fn add(&mut self, limit: Limit) {
        match limit.wait() {
            Ok(wait) => self.longest = self.longest.max(wait),
            Err(Malformed) => self.is_spoilt = true,
        }
    }

    fn wait(&self) -> Option<Duration> {
        self.longest.filter(|_| !self.is_spoilt)
    }
}

impl<'a> ListVisitor<'a> for &mut Limits {
    type Out = ();
    type Error = Infallible;

    fn entry(&mut self) -> Result<impl EntryVisitor<'a>, Infallible> {
        Ok(Member(self))
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A member of the list that comes next.
struct Member<'l>(&'l mut Limits);

impl<'a> EntryVisitor<'a> for Member<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'a>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'a>, Infallible> {
        self.0.is_spoilt = true;
        Ok(Ignored)
    }
}

impl<'l, 'a> ItemVisitor<'a> for Member<'l> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        name: BareItemFromInput<'a>,
    ) -> Result<impl ParameterVisitor<'a, Out = ()>, Infallible> {
        self.0.is_spoilt |= !matches!(name, BareItemFromInput::String(_));
        Ok(Parameters {
            limits: self.0,
            limit: Limit::default(),
        })
    }
}

struct Parameters<'l> {
    limits: &'l mut Limits,
    limit: Limit,
}

impl<'a> ParameterVisitor<'a> for Parameters<'_> {
    type Out = ();
    type Error = Infallible;

    fn parameter(
        &mut self,
        key: &'a KeyRef,
        value: BareItemFromInput<'a>,
    ) -> Result<(), Infallible> {
        match key.as_str() {
            "r" => self.limit.remaining = Count::of(&value),
            "t" => self.limit.reset = Count::of(&value),
            _ => (),
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        self.limits.add(self.limit);
        Ok(())
    }
}

impl<'a> DictionaryVisitor<'a> for &mut Limit {
    type Out = ();
    type Error = Infallible;

    fn entry(&mut self, key: &'a KeyRef) -> Result<impl EntryVisitor<'a>, Infallible> {
        Ok(match key.as_str() {
            "remaining" => Some(Value(&mut self.remaining)),
            "reset" => Some(Value(&mut self.reset)),
            _ => None,
        })
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The value of a key of the dictionary.
struct Value<'k>(&'k mut Count);

impl<'a> EntryVisitor<'a> for Value<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'a>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'a>, Infallible> {
        *self.0 = Count::Malformed;
        Ok(Ignored)
    }
}

impl<'a> ItemVisitor<'a> for Value<'_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        value: BareItemFromInput<'a>,
    ) -> Result<impl ParameterVisitor<'a, Out = ()>, Infallible> {
        *self.0 = Count::of(&value);
        Ok(Ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_for(fields: &[(&'static str, &'static str)]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("a valid value"));
        }
        wait(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_limit_with_nothing_left_is_waited_for_in_either_form() {
        for (lines, expected) in [
            (&[r#""burst";r=0;t=60"#][..], Some(60)),
            (&[r#""burst";r=0;t=0"#], Some(0)),
            (&[r#""burst";t=60;r=0;pk=:AQ==:;x"#], Some(60)),
            (&[r#""burst";r=1;t=60"#], None),
            (&[r#""burst";r=0"#], None),
            (&[r#""burst";t=60"#], None),
            (&[r#""burst";r=0;t=7, "daily";r=0;t=900"#], Some(900)),
            (&[r#""burst";r=0;t=7, "daily";r=5;t=900"#], Some(7)),
            (&[r#""burst";r=0;t=7"#, r#""daily";r=0;t=9"#], Some(9)),
            (&[r#""burst";r=5;r=0;t=7"#], Some(7)),
            (&["limit=2, remaining=0, reset=60"], Some(60)),
            (&["limit=2, remaining=1, reset=60"], None),
            (&["limit=2", "remaining=0;x=y, reset=5"], Some(5)),
            (&[], None),
        ] {
            let fields: Vec<_> = lines.iter().map(|line| ("RateLimit", *line)).collect();
            assert_eq!(wait_for(&fields), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_malformed_is_ignored_as_a_whole() {
        for value in [
            "",
            "60",
            "burst;r=0;t=60",
            r#""burst";r=0;t=-1"#,
            r#""burst";r=-1;t=1"#,
            r#""burst";r=0;t=1.5"#,
            r#""burst";r=0;t="1""#,
            r#""burst";r=0;t=1,"#,
            r#""burst";r=0;t=99999999999999999999"#,
            r#"("burst");r=0;t=1"#,
            r#""a";r=0;t=1, "b";r=x;t=1"#,
            r#""a";r=0;t=1, b;r=0;t=1"#,
            "remaining=(0), reset=1",
            "remaining=0, reset=soon",
            "remaining=0, reset",
            "remaining=0 reset=1",
        ] {
            assert_eq!(wait_for(&[("ratelimit", value)]), None, "{value}");
            let good = r#""good";r=0;t=3"#;
            let both = [("ratelimit", good), ("ratelimit", value)];
            let expected = value.is_empty().then_some(3);
            assert_eq!(wait_for(&both), expected, "{value}");
        }
    }

    #[test]
    fn what_a_cache_has_kept_is_ignored() {
        let limit = ("ratelimit", r#""a";r=0;t=3"#);
        for (age, expected) in [("0", Some(3)), ("x", Some(3)), ("1", None), ("17", None)] {
            assert_eq!(wait_for(&[limit, ("age", age)]), expected, "{age}");
        }
    }
}
