//! Empty: each test of what crosses crates is a target of its own.
