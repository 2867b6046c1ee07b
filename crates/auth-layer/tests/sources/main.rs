//! The sources that the crate brings, through the layers' public face.

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "../auth/support.rs"]
mod support;

#[cfg(feature = "oauth2")]
mod client_credentials;
mod env;
#[cfg(unix)]
mod file;
#[cfg(feature = "oauth2")]
mod log_in;
#[cfg(feature = "oauth2")]
mod refresh_token;
#[cfg(feature = "oauth2")]
mod stored;
#[cfg(feature = "oauth2")]
mod token_server;
