//! The sources that the crate brings, through the layers' public face.

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "../auth/support.rs"]
mod support;

mod env;
#[cfg(unix)]
mod file;
