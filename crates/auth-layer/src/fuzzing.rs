//! What the fuzz targets reach, and nobody else: `cargo fuzz` sets the flag by which this exists.

use std::time::SystemTime;

use http::HeaderMap;

use crate::{challenge, jwt};

/// Reads when a token says that it ends.
#[must_use]
pub fn jwt_expiry(token: &str) -> Option<SystemTime> {
    jwt::expiry(token)
}

/// Reads whether a 401 with these headers is about the scope.
#[must_use]
pub fn is_about_scope(headers: &HeaderMap) -> bool {
    challenge::is_about_scope(headers)
}
