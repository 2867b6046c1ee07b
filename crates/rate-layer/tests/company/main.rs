//! Above and below Tower's own layers, a file each.
//!
//! "Above" and "below" are said of the rate layer.
#![cfg(not(loom))]

mod balance;
mod buffer;
mod concurrency_limit;
mod load_shed;
mod party;
mod retry;
mod timeout;

#[path = "../support/mod.rs"]
mod support;
