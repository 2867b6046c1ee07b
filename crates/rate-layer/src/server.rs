//! What a server says of its limits.

pub(crate) mod clock;
mod stated;
mod statements;

pub use self::stated::Stated;
pub use self::statements::Statements;

/// Stand-in.
#[cfg(not(loom))]
pub trait Dialect: Send + Sync {
    /// Stand-in.
    fn read(&self, head: &crate::ResponseHead<'_>, statements: &mut Statements);
}
