//! What the fuzz targets reach, and nobody else: `cargo fuzz` sets the flag by which this exists.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use crate::{Fetch, Grant, Secret, challenge, jwt};

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

/// Makes what a source is told about a fetch.
#[must_use]
pub fn fetch(refresh_token: Option<&str>) -> Fetch {
    Fetch {
        slot: "fuzzed".into(),
        refresh_token: refresh_token.map(Secret::from),
        teller: crate::events::Teller::default(),
    }
}

/// Takes a grant apart: token, lifetime, refresh token.
#[must_use]
pub fn grant(grant: &Grant) -> (&str, Option<Duration>, Option<&str>) {
    let refresh_token = grant.refresh_token.as_ref();
    (
        grant.token.expose(),
        grant.lifetime,
        refresh_token.map(Secret::expose),
    )
}
