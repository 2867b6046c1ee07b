//! One line of the table.

use http::Method;

use crate::Class;

/// One route: a method and a path pattern, and the class of what they match.
///
/// Patterns are those of `matchit`: `/users/{id}` matches one segment, `/files/{*rest}` all that follows (at least one
/// character, so it misses `/files` and `/files/`). They are written without percent-encoding: what must be encoded is
/// matched by a parameter. A segment that begins with a colon is refused: it is most likely meant for a parameter.
#[derive(Clone, Debug)]
pub struct Route {
    pub(super) method: Method,
    pub(super) pattern: String,
    pub(super) class: Class,
    pub(super) alternatives: Vec<Class>,
    pub(super) encoded_slashes: bool,
}

impl Route {
    /// Gives what `method` and `pattern` match the class `class`.
    pub fn new(method: Method, pattern: impl Into<String>, class: impl Into<Class>) -> Self {
        Self {
            method,
            pattern: pattern.into(),
            class: class.into(),
            alternatives: Vec::new(),
            encoded_slashes: false,
        }
    }

    /// The method that it matches.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The classes that what it matches may have: its own first, and those that a caller may ask for instead.
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        std::iter::once(&self.class).chain(&self.alternatives)
    }

    /// Allows a caller to ask for `class` instead, by a [`ClassOverride`](crate::ClassOverride).
    #[must_use]
    pub fn alternative(mut self, class: impl Into<Class>) -> Self {
        self.alternatives.push(class.into());
        self
    }

    /// Allows encoded slashes (`%2F`) inside of the pattern's parameters, for APIs that put them in ids.
    ///
    /// Only for servers that do not decode a path before they route it.
    #[must_use]
    pub fn encoded_slashes(mut self) -> Self {
        self.encoded_slashes = true;
        self
    }
}
