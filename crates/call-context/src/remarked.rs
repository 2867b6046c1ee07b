//! An error that a layer has said something about.

use std::error::Error;
use std::fmt;

use crate::BoxError;

/// An error to which a layer has added what it did for the call, and about which it has changed nothing else.
///
/// Displays the remark; the error itself is its source. [`find`](crate::find) looks at remarks as well. Whoever hands errors on
/// to those who expect the client's own may leave the remark behind.
///
/// ```
/// use std::{error::Error, fmt, io};
/// use call_context::{Remarked, find};
///
/// #[derive(Debug)]
/// struct Attempts(u32);
/// impl fmt::Display for Attempts {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         write!(f, "gave up after {} attempts", self.0)
///     }
/// }
/// impl Error for Attempts {}
///
/// let error = Remarked::new(Attempts(3), io::Error::other("the connection broke"));
/// assert_eq!(error.to_string(), "gave up after 3 attempts");
/// assert_eq!(find::<Attempts>(&error).map(|attempts| attempts.0), Some(3));
/// assert!(find::<io::Error>(&error).is_some());
/// ```
#[derive(Debug)]
pub struct Remarked {
    remark: BoxError,
    error: BoxError,
}

impl Remarked {
    /// Adds `remark` to `error`.
    ///
    /// The remark has no sources: what happened is said by `error` alone.
    pub fn new(remark: impl Into<BoxError>, error: impl Into<BoxError>) -> Self {
        Self {
            remark: remark.into(),
            error: error.into(),
        }
    }

    /// What was added.
    pub fn remark(&self) -> &(dyn Error + 'static) {
        &*self.remark
    }

    /// The error as it was.
    pub fn error(&self) -> &(dyn Error + 'static) {
        &*self.error
    }

    /// Takes the two apart: what was added, and the error as it was.
    ///
    /// For whoever hands the error on where it cannot carry the remark, and keeps that elsewhere.
    pub fn into_parts(self) -> (BoxError, BoxError) {
        (self.remark, self.error)
    }

    /// Leaves the remark behind.
    pub fn into_error(self) -> BoxError {
        self.error
    }
}

impl fmt::Display for Remarked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.remark.fmt(f)
    }
}

impl Error for Remarked {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::{NeverLeft, Refusal, find};

    #[test]
    fn a_remark_hides_nothing_behind_it_and_proves_nothing() {
        let error = Remarked::new("remark", NeverLeft::new(Refusal::Local));
        let error: BoxError = Remarked::new(io::Error::other("another"), error).into();
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Local));
        assert_eq!(error.to_string(), "another");
        assert!(find::<io::Error>(&*error).is_some());

        let misleading = Remarked::new(NeverLeft::new(Refusal::Local), "timeout");
        assert_eq!(NeverLeft::find(&misleading), None);
        assert_eq!(misleading.into_error().to_string(), "timeout");

        let (remark, error) = Remarked::new("remark", "timeout").into_parts();
        assert_eq!(
            (remark.to_string(), error.to_string()),
            ("remark".into(), "timeout".into())
        );
    }
}
