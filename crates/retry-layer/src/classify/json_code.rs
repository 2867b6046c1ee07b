//! Codes in a JSON body.

use std::borrow::Cow;
use std::fmt;

use serde_core::Deserialize;
use serde_core::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Exchange, Piece, Verdict};

/// Tells errors apart by a code in their JSON body, where a layer below has [peeked](Exchange::body_prefix) at it.
///
/// `tollgate::PeekLayer` peeks, and is part of each `tollgate::Stack`; by hand it belongs directly below the retry layer, or below
/// the rate layer where there is one. It reads 429 and 403 unless told otherwise (`PeekLayer::new().statuses(..)`). Without it, and for
/// all other statuses, this piece never has an opinion.
///
/// The field is named by a JSON Pointer (RFC 6901); its value is a string, a whole number of any length or a boolean. A number is
/// compared as it is written: `17` is neither `17.0` nor `1.7e1`. A body that was cut off behind the code is read as far as it
/// goes. Where there is no such body, field or code there is no opinion. Of a field that comes twice the first one counts.
///
/// ```
/// use std::time::Duration;
/// use retry_layer::{Classify, JsonCode, RetryLayer, StatusClassifier, Verdict};
///
/// let codes = JsonCode::at("/error/code")
///     .is("COOLDOWN", Verdict::Throttled { after: Duration::from_secs(5) })
///     .is("MARKET_CLOSED", Verdict::Final)
///     .is("1015", Verdict::THROTTLED);
/// let retry = RetryLayer::new().classifier(StatusClassifier.unless(codes));
/// # let _ = retry;
/// ```
#[derive(Clone, Debug)]
pub struct JsonCode {
    path: Vec<String>,
    codes: Vec<(String, Verdict)>,
}

impl JsonCode {
    /// Reads the field at `pointer`, such as `/error/code` or `/errors/0/code`.
    ///
    /// # Panics
    ///
    /// If `pointer` is neither empty nor begins with a slash, or has a `~` that is not part of `~0` or `~1` (RFC 6901, section 3).
    pub fn at(pointer: &str) -> Self {
        let mut tokens = pointer.split('/');
        let begins_well = tokens.next() == Some("");
        let mut escapes = pointer.split('~').skip(1);
        assert!(
            begins_well && escapes.all(|after| after.starts_with(['0', '1'])),
            "a JSON Pointer such as /error/code, but {pointer:?}"
        );
        // In this order, so that `~01` is `~1`.
        let path = tokens.map(|token| token.replace("~1", "/").replace("~0", "~"));
        Self {
            path: path.collect(),
            codes: Vec::new(),
        }
    }

    /// Says what `code` means.
    #[must_use]
    pub fn is(mut self, code: impl Into<String>, verdict: Verdict) -> Self {
        self.codes.push((code.into(), verdict));
        self
    }
}

impl Piece for JsonCode {
    fn opinion(&self, exchange: &Exchange<'_>) -> Option<Verdict> {
        let prefix = exchange.body_prefix()?;
        let mut found = Found::default();
        let field = Field {
            codes: &self.codes,
            path: &self.path,
            found: &mut found,
        };
        // Whether the rest is whole does not matter: the prefix may end anywhere.
        let _ = field.deserialize(&mut serde_json::Deserializer::from_slice(prefix));
        found.opinion.filter(|_| !found.may_go_on)
    }
}

/// What was found. It is kept outside of the values that are read, since a later error ends the reading.
#[derive(Default)]
struct Found {
    /// Whether the field was there, with whatever code.
    any: bool,
    opinion: Option<Verdict>,
    /// Whether the code is a number behind which nothing has been read yet: there may be more digits.
    may_go_on: bool,
}

/// The place of a value on the way to the code.
struct Field<'c, 'f> {
    codes: &'c [(String, Verdict)],
    path: &'c [String],
    found: &'f mut Found,
}

impl Field<'_, '_> {
    /// Takes what stands where the path ends, as it is written there.
    ///
    /// Not as the parser reads it: what that makes of a number depends on features of `serde_json` that any crate may have
    /// switched on.
    fn take(self, written: &str) {
        if self.found.any {
            return;
        }
        let code = match written.as_bytes() {
            [b'"', ..] => serde_json::from_str(written).ok().map(|Text(text)| text),
            b"true" | b"false" => Some(written.into()),
            _ => is_whole_number(written).then(|| written.into()),
        };
        let known = code.and_then(|code| self.codes.iter().find(|(known, _)| *known == code));
        *self.found = Found {
            any: true,
            opinion: known.map(|(_, verdict)| *verdict),
            may_go_on: written.ends_with(|last: char| last.is_ascii_digit()),
        };
    }
}

fn is_whole_number(written: &str) -> bool {
    let digits = written.strip_prefix('-').unwrap_or(written);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The index that a token means in an array: no sign and no leading zero (RFC 6901, section 4).
fn index(token: &str) -> Option<usize> {
    let is_index = token == "0" || token.starts_with(|first| matches!(first, '1'..='9'));
    token.parse().ok().filter(|_| is_index)
}

/// A string, borrowed where it has no escapes.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(text.into()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(text.to_owned().into()))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

impl<'de> DeserializeSeed<'de> for Field<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            self.take(<&RawValue>::deserialize(deserializer)?.get());
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

/// On the way to the code only maps and arrays lead on.
impl<'de> Visitor<'de> for Field<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { codes, path, found } = self;
        while let Some(is_next) = map.next_key_seed(Key(path.first()))? {
            found.may_go_on = false;
            match path.split_first() {
                Some((_, path)) if is_next => {
                    let found = &mut *found;
                    map.next_value_seed(Field { codes, path, found })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        found.may_go_on = false;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { codes, path, found } = self;
        let wanted = path.split_first();
        let wanted = wanted.and_then(|(token, path)| Some((index(token)?, path)));
        let mut at = 0;
        loop {
            let more = match wanted {
                Some((index, path)) if index == at => {
                    let found = &mut *found;
                    seq.next_element_seed(Field { codes, path, found })?
                }
                _ => seq.next_element::<IgnoredAny>()?.map(drop),
            };
            if more.is_none() {
                found.may_go_on = false;
                return Ok(());
            }
            at += 1;
        }
    }
}

/// Whether a key is the next one on the path.
struct Key<'c>(Option<&'c String>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(self.0.is_some_and(|next| next == key))
    }
}

#[cfg(test)]
mod tests {
    use super::super::support::{opinion, opinion_on_error};
    use super::*;

    const T: Option<Verdict> = Some(Verdict::THROTTLED);

    fn said(pointer: &str, body: &'static str) -> Option<Verdict> {
        let piece = JsonCode::at(pointer)
            .is("BUSY", Verdict::THROTTLED)
            .is("17", Verdict::THROTTLED)
            .is("-1", Verdict::THROTTLED)
            .is("123456789012345678901234567890", Verdict::THROTTLED)
            .is("true", Verdict::THROTTLED)
            .is("GONE", Verdict::Final);
        opinion(&piece, 400, &[], body)
    }

    #[test]
    fn a_code_is_found_at_its_place_and_nowhere_else() {
        for (pointer, body, expected) in [
            ("/error/code", r#"{"error":{"code":"BUSY"}}"#, T),
            (
                "/error/code",
                r#"{"a":[{"code":1}],"error":{"x":{"code":"GONE"},"code":"BUSY"}}"#,
                T,
            ),
            (
                "/error/code",
                r#"{"error":{"code":"GONE"}}"#,
                Some(Verdict::Final),
            ),
            ("/error/code", r#"{"error":{"code":17}}"#, T),
            ("/error/code", r#"{"error":{"code":-1}}"#, T),
            ("/error/code", r#"{"error":{"code":true}}"#, T),
            (
                "/error/code",
                r#"{"error":{"code":123456789012345678901234567890}}"#,
                T,
            ),
            ("/error/code", r#"{"error":{"code" : 17 }}"#, T),
            ("/error/code", r#"{"error":{"code":17.0}}"#, None),
            ("/error/code", r#"{"error":{"code":1.7e1}}"#, None),
            ("/error/code", r#"{"error":17,"code":17}"#, None),
            ("/code/0", r#"{"code":17}"#, None),
            ("/1/code", r#"[1.5,{"code":"BUSY"}]"#, T),
            ("/error/code", r#"{"error":{"code":null}}"#, None),
            ("/error/code", r#"{"error":{"code":{"BUSY":1}}}"#, None),
            ("/error/code", r#"{"error":{"code":["BUSY"]}}"#, None),
            ("/error/code", r#"{"error":{"code":"BUSY2"}}"#, None),
            ("/error/code", r#"{"error":"BUSY"}"#, None),
            ("/error/code", r#"{"code":"BUSY"}"#, None),
            (
                "/error/code",
                r#"{"message":"\"error\":{\"code\":\"BUSY\"}"}"#,
                None,
            ),
            ("/error/code", r#"{"error":{"code":"\u0042USY"}}"#, T),
            ("/code", r#"{"code":"OTHER","code":"BUSY"}"#, None),
            ("/code", r#"{"code":"BUSY","code":"OTHER"}"#, T),
            ("/code", r#"{"code":null,"code":"BUSY"}"#, None),
            (
                "/errors/1/code",
                r#"{"errors":[{"code":"GONE"},{"code":"BUSY"}]}"#,
                T,
            ),
            (
                "/errors/2/code",
                r#"{"errors":[{"code":"GONE"},{"code":"BUSY"}]}"#,
                None,
            ),
            ("/a~1b/~0", r#"{"a/b":{"~":"BUSY"}}"#, T),
            ("", r#""BUSY""#, T),
            ("/", r#"{"":"BUSY"}"#, T),
            ("/error/code", "", None),
            ("/error/code", "BUSY", None),
            ("/error/code", "\u{1F980}", None),
        ] {
            assert_eq!(said(pointer, body), expected, "{pointer} {body}");
        }
        assert_eq!(opinion_on_error(&JsonCode::at("/code")), None);
    }

    #[test]
    fn a_body_that_was_cut_off_behind_the_code_is_enough_and_one_before_it_is_not() {
        let body = r#"{"error":{"code":"BUSY","message":"later"}}"#;
        let end = body.find(",\"message").expect("there");
        for length in 0..=body.len() {
            let expected = if length >= end { T } else { None };
            assert_eq!(said("/error/code", &body[..length]), expected, "{length}");
        }
    }

    #[test]
    fn a_number_that_was_cut_off_is_no_code() {
        for (body, expected) in [
            (r#"{"code":17"#, None),
            (r#"{"code":17,"#, None),
            (r#"{"code":17, "a"#, None),
            (r#"{"code":17,"a""#, T),
            (r#"{"code":17}"#, T),
            (r#"{"code":175}"#, None),
        ] {
            assert_eq!(said("/code", body), expected, "{body}");
        }
    }

    #[test]
    fn an_index_has_no_sign_and_no_leading_zero() {
        for (token, expected) in [
            ("0", T),
            ("1", None),
            ("+0", None),
            ("-0", None),
            ("00", None),
            ("-", None),
            ("", None),
            ("\u{660}", None),
            ("99999999999999999999999999", None),
        ] {
            assert_eq!(
                said(&format!("/{token}"), r#"["BUSY"]"#),
                expected,
                "{token}"
            );
        }
        let eleven = r#"[0,1,2,3,4,5,6,7,8,9,"BUSY"]"#;
        assert_eq!(said("/10", eleven), T);
        assert_eq!(said("/010", eleven), None);
        assert_eq!(said("/+10", eleven), None);
        // In an object it is a name like any other.
        assert_eq!(said("/+1", r#"{"+1":"BUSY"}"#), T);
    }

    #[test]
    fn a_body_nested_without_end_is_no_trouble() {
        let body: &'static str = "[{\"a\":".repeat(100_000).leak();
        assert_eq!(said("/error/code", body), None);
        assert_eq!(said("/0/a/0/a/0/a", body), None);
        assert_eq!(said("/0", body), None);
    }

    #[test]
    #[should_panic(expected = "a JSON Pointer")]
    fn a_path_that_is_no_pointer_is_refused() {
        let _ = JsonCode::at("error.code");
    }

    #[test]
    fn an_escape_that_means_nothing_is_refused() {
        for pointer in ["/a~b", "/~", "/~2", "/~0~", "/a~/b"] {
            let made = std::panic::catch_unwind(|| JsonCode::at(pointer));
            assert!(made.is_err(), "{pointer}");
        }
        assert_eq!(said("/~01", r#"{"~1":"BUSY"}"#), T);
    }
}
