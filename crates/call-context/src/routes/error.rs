//! What is wrong with a table of routes, or with a request that it is asked about.

use std::error::Error;
use std::fmt;

use http::Method;

use crate::Class;
use crate::canonical::PathError;

/// Why a table of routes cannot be built.
#[derive(Debug)]
pub struct RoutesError {
    method: Method,
    pattern: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Ambiguous(PathError),
    Escaped,
    Colon,
    Pattern(matchit::InsertError),
}

impl RoutesError {
    pub(super) fn ambiguous(method: &Method, pattern: String, error: PathError) -> Self {
        Self {
            method: method.clone(),
            pattern,
            kind: Kind::Ambiguous(error),
        }
    }

    pub(super) fn escaped(method: &Method, pattern: String) -> Self {
        Self {
            method: method.clone(),
            pattern,
            kind: Kind::Escaped,
        }
    }

    pub(super) fn colon(method: &Method, pattern: String) -> Self {
        Self {
            method: method.clone(),
            pattern,
            kind: Kind::Colon,
        }
    }

    pub(super) fn malformed(method: &Method, pattern: String, error: matchit::InsertError) -> Self {
        Self {
            method: method.clone(),
            pattern,
            kind: Kind::Pattern(error),
        }
    }

    /// The pattern that could not be added.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Whether another route of the table matches the same requests.
    pub fn is_conflict(&self) -> bool {
        matches!(
            self.kind,
            Kind::Pattern(matchit::InsertError::Conflict { .. })
        )
    }
}

impl fmt::Display for RoutesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the route {} {} ", self.method, self.pattern)?;
        match &self.kind {
            Kind::Ambiguous(_) => f.write_str("can never match"),
            Kind::Escaped => {
                f.write_str("is percent-encoded; write what must be encoded as a parameter")
            }
            Kind::Colon => f.write_str(
                "has a segment that begins with a colon; a parameter is written `{id}`, not `:id`, and matches a colon too",
            ),
            Kind::Pattern(matchit::InsertError::Conflict { with }) => {
                write!(f, "matches the same requests as {with}")
            }
            Kind::Pattern(_) => f.write_str("is malformed"),
        }
    }
}

impl Error for RoutesError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Ambiguous(error) => Some(error),
            Kind::Escaped | Kind::Colon | Kind::Pattern(matchit::InsertError::Conflict { .. }) => {
                None
            }
            Kind::Pattern(error) => Some(error),
        }
    }
}

/// Why a request cannot be given a class. Does not echo the request's path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClassifyError {
    /// The path can be read in two ways.
    Path(PathError),
    /// The caller asks for a class that the matched route does not declare.
    Undeclared(Class),
}

impl ClassifyError {
    pub(super) fn undeclared(class: &Class) -> Self {
        Self::Undeclared(class.clone())
    }
}

impl From<PathError> for ClassifyError {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

impl fmt::Display for ClassifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(error) => error.fmt(f),
            Self::Undeclared(class) => write!(
                f,
                "the caller asks for the class `{class}`, which this route does not declare as an alternative"
            ),
        }
    }
}

impl Error for ClassifyError {}
