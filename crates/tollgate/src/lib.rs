//! Composable Tower layers for clients of APIs that check a token and count requests.

mod peek;

pub use peek::{Peek, PeekLayer, PeekedBody, ResponseFuture as PeekFuture};
