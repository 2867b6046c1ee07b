//! The layer through its public face.

mod gates;
mod support;
