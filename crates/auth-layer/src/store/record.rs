//! What a store keeps, and how it is written: JSON with a version.
//!
//! Programs of different ages share a store. What holds for all of them, of whatever version of the format:
//!
//! - A record is a JSON object, and has its version in the field `version`: a whole number.
//! - One of another version than those that a program knows is left alone by it, by logins and logouts too. It says so, and needs a human.
//! - A program reads all versions before its own, and writes its own: whoever adds a field, or changes what one means, makes the next
//!   version, and keeps the reader of this one. The older program beside it then leaves the store alone, until it is updated.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::StoreError;
use super::boot::SinceBoot;
use crate::{Grant, Secret, jwt};

/// The version that is written, and the newest one that is read.
const VERSION: u64 = 1;

/// A grant as it is kept.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) access_token: Secret,
    /// By the wall clock, from before its request.
    pub(super) obtained: SystemTime,
    pub(super) lifetime: Option<Duration>,
    pub(super) refresh_token: Option<Secret>,
    pub(super) intent: Option<Intent>,
}

/// Written down before a refresh token is sent; taken away by the commit of what came for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Intent {
    /// Tells it from others for the same refresh token.
    pub(super) id: u64,
    pub(super) refresh_token: Fingerprint,
    pub(super) at: SystemTime,
    /// The same moment on a clock that nobody sets, where the machine has one.
    pub(super) since_boot: Option<SinceBoot>,
}

/// Tells one secret from another without keeping it: its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(secret: &Secret) -> Self {
        Self(Sha256::digest(secret.expose()).into())
    }

    fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Record {
    /// The record of a grant that was asked for at `obtained`. Where the grant has no refresh token, the `earlier` one is kept
    /// (RFC 6749, section 6); where it states no lifetime, a JWT's own is.
    pub(super) fn of(grant: &Grant, earlier: Option<Secret>, obtained: SystemTime) -> Self {
        let lifetime = grant.lifetime;
        let token = grant.token.clone();
        Self {
            lifetime: lifetime.or_else(|| {
                jwt::expiry(token.expose()).and_then(|end| end.duration_since(obtained).ok())
            }),
            access_token: token,
            obtained,
            refresh_token: grant.refresh_token.clone().or(earlier),
            intent: None,
        }
    }

    /// The intent that stands open for the refresh token. One for another token has been overtaken.
    pub(super) fn open_intent(&self) -> Option<Intent> {
        let refresh_token = Fingerprint::of(self.refresh_token.as_ref()?);
        self.intent
            .filter(|intent| intent.refresh_token == refresh_token)
    }

    pub(super) fn encode(&self) -> Secret {
        let refresh_token = self.refresh_token.as_ref().map(Secret::expose);
        let access_token = self.access_token.expose();
        let wire = Wire {
            version: VERSION,
            access_token,
            obtained_ms: to_ms(self.obtained),
            lifetime_ms: self.lifetime.map(millis),
            refresh_token,
            intent: self.intent.map(|intent| WireIntent {
                id: intent.id,
                refresh_token_sha256: intent.refresh_token.hex(),
                at_ms: to_ms(intent.at),
                boot_sha256: intent.since_boot.map(|since| since.boot.hex()),
                since_boot_ms: intent.since_boot.map(|since| millis(since.at)),
            }),
        };
        // Room for all at once, each byte escaped: what a growing buffer leaves behind is not overwritten.
        let secrets = access_token.len() + refresh_token.map_or(0, str::len);
        let mut text = Zeroizing::new(Vec::with_capacity(1024 + 6 * secrets));
        serde_json::to_writer(&mut *text, &wire).expect("no part of it can fail");
        Secret::from(std::str::from_utf8(&text).expect("JSON is text"))
    }

    /// Reads a record. `place` names the store in errors, which never quote what it holds, as `serde_json`'s own would.
    pub(super) fn decode(text: &Secret, place: &str) -> Result<Self, Unreadable> {
        let bad = |error: &serde_json::Error| {
            Unreadable::Malformed(format!(
                "{place} holds no grant that can be read (line {}, column {}); log in again and hand the new grant to `StoredGrant::put`",
                error.line(),
                error.column()
            ))
        };
        let text = text.expose();
        let Version { version } = serde_json::from_str(text).map_err(|error| bad(&error))?;
        // Whatever is there that is no number this program can read: it may be anything, and is not quoted.
        let version = version.get().parse::<u64>();
        if version != Ok(VERSION) {
            let version = version.map_or("another version".to_owned(), |version| {
                format!("version {version}")
            });
            return Err(Unreadable::Version(format!(
                "{place} is written in {version} of its format, and this program knows version {VERSION}; update this program, or keep its grant elsewhere"
            )));
        }
        let wire: Owned = serde_json::from_str(text).map_err(|error| bad(&error))?;
        wire.record().ok_or_else(|| {
            Unreadable::Malformed(format!(
                "{place} holds a time or a fingerprint that cannot be; log in again and hand the new grant to `StoredGrant::put`"
            ))
        })
    }
}

/// Why what a store holds cannot be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    Malformed(String),
    /// Another program's, which is not touched.
    Version(String),
}

impl From<Unreadable> for StoreError {
    fn from(error: Unreadable) -> Self {
        let (Unreadable::Malformed(text) | Unreadable::Version(text)) = error;
        Self::permanent(text)
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    version: u64,
    access_token: &'a str,
    obtained_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<WireIntent>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireIntent {
    id: u64,
    refresh_token_sha256: String,
    at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since_boot_ms: Option<u64>,
}

impl WireIntent {
    fn intent(self) -> Option<Intent> {
        Some(Intent {
            id: self.id,
            refresh_token: from_hex(&self.refresh_token_sha256)?,
            at: from_ms(self.at_ms)?,
            since_boot: match (self.boot_sha256, self.since_boot_ms) {
                (Some(boot), Some(ms)) => Some(SinceBoot {
                    boot: from_hex(&boot)?,
                    at: Duration::from_millis(ms),
                }),
                (None, None) => None,
                _ => return None,
            },
        })
    }
}

#[derive(Deserialize)]
struct Version<'a> {
    #[serde(borrow)]
    version: &'a RawValue,
}

/// Version 1. Whoever adds a field changes the version: what is not understood would be lost when it is written again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Owned {
    #[serde(rename = "version")]
    _version: u64,
    access_token: Hidden,
    obtained_ms: u64,
    lifetime_ms: Option<u64>,
    refresh_token: Option<Hidden>,
    intent: Option<WireIntent>,
}

impl Owned {
    fn record(self) -> Option<Record> {
        let intent = match self.intent {
            Some(intent) => Some(intent.intent()?),
            None => None,
        };
        Some(Record {
            access_token: self.access_token.0,
            obtained: from_ms(self.obtained_ms)?,
            lifetime: self.lifetime_ms.map(Duration::from_millis),
            refresh_token: self.refresh_token.map(|token| token.0),
            intent,
        })
    }
}

/// A text that goes into a [`Secret`] at once.
struct Hidden(Secret);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Hidden;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hidden, E> {
                Ok(Hidden(text.into()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn to_ms(time: SystemTime) -> u64 {
    millis(
        time.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

/// `None`: no clock shows this.
fn from_ms(ms: u64) -> Option<SystemTime> {
    // Until the year 9999, so that sums of times cannot overflow.
    const LATEST: u64 = 253_402_300_799_000;
    (ms <= LATEST).then(|| SystemTime::UNIX_EPOCH + Duration::from_millis(ms))
}

fn from_hex(hex: &str) -> Option<Fingerprint> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(Fingerprint(bytes))
}

#[cfg(test)]
mod tests;
