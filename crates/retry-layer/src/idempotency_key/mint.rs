//! Where keys come from.

use std::sync::Arc;

use http::HeaderValue;
use uuid::Builder;

use super::error::IdempotencyKeyError;

#[derive(Clone)]
pub(super) enum Mint {
    /// A random UUID (version 4 of RFC 9562) from the operating system's generator: one drawn from a seed that two
    /// processes share, after a fork or in two images of one machine, would be taken for a repetition.
    Uuid {
        quoted: bool,
    },
    Custom(Arc<dyn Fn() -> HeaderValue + Send + Sync>),
}

impl Default for Mint {
    fn default() -> Self {
        Self::Uuid { quoted: false }
    }
}

impl Mint {
    pub(super) fn key(&self) -> Result<HeaderValue, IdempotencyKeyError> {
        let quoted = match self {
            Self::Custom(generator) => return Ok(generator()),
            Self::Uuid { quoted } => *quoted,
        };
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(IdempotencyKeyError::without_randomness)?;
        let mut text = [b'"'; 38];
        let uuid = Builder::from_random_bytes(random).into_uuid();
        uuid.hyphenated().encode_lower(&mut text[1..37]);
        let text = if quoted { &text[..] } else { &text[1..37] };
        HeaderValue::from_bytes(text).map_err(IdempotencyKeyError::without_randomness)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn key(mint: &Mint) -> String {
        let key = mint.key().expect("a key");
        key.to_str().expect("text").to_owned()
    }

    #[test]
    fn keys_are_random_uuids_and_no_two_are_alike() {
        let mint = Mint::default();
        let keys: HashSet<_> = (0..1000).map(|_| key(&mint)).collect();
        assert_eq!(keys.len(), 1000);
        for key in keys {
            let uuid = uuid::Uuid::parse_str(&key).expect("a UUID");
            assert_eq!(uuid.get_version_num(), 4);
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
            assert_eq!(uuid.hyphenated().to_string(), key);
        }
    }

    #[test]
    fn quotes_are_around_the_key_where_they_are_asked_for() {
        let key = key(&Mint::Uuid { quoted: true });
        let inside = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
        assert!(uuid::Uuid::parse_str(inside.expect("quotes")).is_ok());
    }
}
