//! What a window begins with.

/// What the server is assumed to have counted already when the window is made.
///
/// A program that restarts has forgotten what the server still counts: up to twice the limit may come together then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// Nothing: right for the first start with a key, and a risk of up to twice the limit after a restart.
    #[default]
    Empty,
    /// The whole limit, just now: never too much, and nothing to send for the first window and grace.
    Full,
    /// What the first response says.
    ///
    /// Requests go one at a time until a response states how many remain; the difference to the limit is then taken to be
    /// counted just now. A successful response that states nothing counts as [`Full`](Self::Full), since the server will not
    /// tell. Needs a layer that [listens](crate::RateLayer::listen), and one that does not is refused.
    Seeded,
}
