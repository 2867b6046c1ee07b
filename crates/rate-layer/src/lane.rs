//! Who goes first.

/// The two lanes of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Those that go first, and have places reserved for them.
    First,
    /// All others.
    #[default]
    Rest,
}
