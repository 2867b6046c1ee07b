//! The first bytes of an error response, for those who must tell errors apart.

use std::fmt;

use bytes::Bytes;

/// A response extension: the first bytes of an error response's body.
///
/// Some servers tell two errors of the same status apart in the body alone. A layer that peeks sets this; classifiers
/// in the layers above it read it, and the body itself stays whole for the caller. How many bytes there are is up to
/// the layer that peeked: a prefix may end in the middle of a character, a token, or a JSON object.
///
/// The bytes may hold secrets, so that `Debug` shows their number alone.
///
/// ```
/// use bytes::Bytes;
/// use call_context::BodyPrefix;
/// use http::Response;
///
/// let mut response = Response::builder().status(429).body(())?;
/// let prefix = BodyPrefix::new(Bytes::from_static(br#"{"error":{"code":"COOLDOWN""#));
/// assert_eq!(format!("{prefix:?}"), "BodyPrefix(27 bytes)");
/// response.extensions_mut().insert(prefix);
///
/// let prefix = response.extensions().get::<BodyPrefix>().map_or(&[][..], BodyPrefix::as_bytes);
/// assert!(prefix.windows(8).any(|part| part == b"COOLDOWN"));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BodyPrefix(Bytes);

impl BodyPrefix {
    /// Hands on `bytes`, the beginning of a body.
    pub const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The bytes; empty where the body was.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for BodyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyPrefix({} bytes)", self.0.len())
    }
}
