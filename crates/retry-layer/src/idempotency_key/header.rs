//! The header that carries the key: what the layer of keys and the retry layer have to agree on.

use http::Extensions;
use http::header::HeaderName;

/// The header of keys where nothing else is said.
pub(crate) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header in which a layer of keys has left a call's key.
///
/// A request extension, from that layer to the retry layer below. Nobody else can make one: what it says is as good as what the
/// retry layer has been told itself.
#[derive(Clone, Debug)]
pub(crate) struct KeyHeader(HeaderName);

impl KeyHeader {
    pub(super) fn note(name: &HeaderName, extensions: &mut Extensions) {
        extensions.insert(Self(name.clone()));
    }

    /// Takes the note out: layers below have no use for it, and copies of the request are cheaper without.
    pub(crate) fn take(extensions: &mut Extensions) -> Option<HeaderName> {
        extensions.remove().map(|Self(name)| name)
    }
}
