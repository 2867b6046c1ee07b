//! The names that a call goes by: its class, and the slot that its credential comes from.

use std::fmt;
use std::sync::Arc;

/// A class of routes that are treated alike, such as `read` or `execute`.
///
/// Cloning costs a reference count.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class(Arc<str>);

impl Class {
    /// The class's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S: AsRef<str>> From<S> for Class {
    fn from(name: S) -> Self {
        Self(Arc::from(name.as_ref()))
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Class({})", self.0)
    }
}

/// The name of a credential slot, such as `business` or `wallet`: never the credential itself.
///
/// Cloning costs a reference count.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotName(Arc<str>);

impl SlotName {
    /// The slot's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S: AsRef<str>> From<S> for SlotName {
    fn from(name: S) -> Self {
        Self(Arc::from(name.as_ref()))
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotName({})", self.0)
    }
}

/// A request extension by which a caller picks a class that the path cannot tell.
///
/// The matched route must declare the class as an [alternative](crate::Route::alternative), or the request is
/// refused: a caller chooses among what the routes allow, and no more.
///
/// ```
/// use call_context::{ClassOverride, Route, Routes};
/// use http::{Method, Request};
///
/// let routes = Routes::new([Route::new(Method::POST, "/execute", "execute").alternative("merchant")])?;
/// let mut request = Request::post("https://api.example.com/execute").body(())?;
/// request.extensions_mut().insert(ClassOverride::new("merchant"));
/// assert_eq!(routes.classify(&request)?.map(|class| class.as_str()), Some("merchant"));
///
/// request.extensions_mut().insert(ClassOverride::new("admin"));
/// assert!(routes.classify(&request).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassOverride(Class);

impl ClassOverride {
    /// Asks for `class`.
    pub fn new(class: impl Into<Class>) -> Self {
        Self(class.into())
    }

    /// The class asked for.
    pub fn class(&self) -> &Class {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_equal_when_their_text_is() {
        assert_eq!(Class::from("read"), Class::from(String::from("read")));
        assert_ne!(Class::from("read"), Class::from("Read"));
        assert_eq!(
            SlotName::from("wallet"),
            SlotName::from("wallet".to_owned())
        );
        assert_eq!(ClassOverride::new("read").class(), &Class::from("read"));
    }

    #[test]
    fn names_show_themselves_and_what_they_are() {
        let (class, slot) = (Class::from("read"), SlotName::from("wallet"));
        assert_eq!(format!("{class} {class:?}"), "read Class(read)");
        assert_eq!(format!("{slot} {slot:?}"), "wallet SlotName(wallet)");
    }
}
