//! Everything that a response states.

use std::fmt;
use std::slice;

use super::stated::Stated;

/// What a response states of its limits: up to [`CAPACITY`](Self::CAPACITY) of them, without an allocation.
///
/// ```
/// use rate_layer::{Stated, Statements};
///
/// let mut statements = Statements::new();
/// statements.push(Stated::new().limit(100).remaining(3));
/// assert_eq!(statements.iter().filter_map(Stated::left).min(), Some(3));
/// ```
#[derive(Clone, Copy, Default)]
pub struct Statements {
    stated: [Stated; Self::CAPACITY],
    len: usize,
}

impl Statements {
    /// How many there may be.
    pub const CAPACITY: usize = 8;

    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            stated: [Stated::new(); Self::CAPACITY],
            len: 0,
        }
    }

    /// Adds `stated`, unless it says nothing, is there already, or finds no room.
    pub fn push(&mut self, stated: Stated) {
        if stated == Stated::new() || self.as_slice().contains(&stated) {
            return;
        }
        if let Some(free) = self.stated.get_mut(self.len) {
            *free = stated;
            self.len += 1;
        }
    }

    /// All of them, in the order in which they came.
    pub fn as_slice(&self) -> &[Stated] {
        self.stated.get(..self.len).unwrap_or_default()
    }

    /// Looks at each, in the order in which they came.
    pub fn iter(&self) -> slice::Iter<'_, Stated> {
        self.as_slice().iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Debug for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl PartialEq for Statements {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Statements {}

impl<'a> IntoIterator for &'a Statements {
    type Item = &'a Stated;
    type IntoIter = slice::Iter<'a, Stated>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_ninth_statement_is_dropped_and_so_is_one_that_says_nothing_or_nothing_new() {
        let mut statements = Statements::new();
        statements.push(Stated::new());
        assert!(statements.is_empty());
        for limit in [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10] {
            statements.push(Stated::new().limit(limit));
        }
        let limits: Vec<_> = statements.iter().filter_map(|one| one.limit).collect();
        assert_eq!(limits, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(statements.len(), Statements::CAPACITY);
    }
}
