//! Grants that are kept, through the public face: what may fail, fails.

mod clocks;
mod commit;
mod commons;
#[cfg(all(unix, feature = "file-store"))]
mod file;
mod hangs;
mod life;
mod log;
mod login;
mod logout;
mod lost;
#[expect(dead_code, reason = "shared with the other tests")]
#[path = "../auth/support.rs"]
mod support;
mod winner;
