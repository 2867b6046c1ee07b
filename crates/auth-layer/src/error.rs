//! Why a request was refused.

mod reason;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use call_context::{BoxError, NeverLeft, Origin, Refusal, SlotName};
use http::{HeaderName, Method, Uri};

pub use self::reason::Reason;

/// A request that was refused before it left. Names the slot and never a secret; of the request's URI, scheme, host and port
/// alone.
///
/// It stands in the chain above a [`NeverLeft`], below which the cause follows, where there is one.
#[derive(Debug)]
pub struct AuthError {
    reason: Reason,
    slot: Option<SlotName>,
    /// What is known beyond the reason, said instead of the reason's own text.
    text: Option<Box<str>>,
    mark: NeverLeft,
}

impl AuthError {
    pub(crate) fn new(reason: Reason) -> Self {
        Self::marked(reason, NeverLeft::new(reason.refusal()))
    }

    pub(crate) fn because(reason: Reason, error: impl Into<BoxError>) -> Self {
        Self::marked(reason, NeverLeft::wrap(reason.refusal(), error))
    }

    fn marked(reason: Reason, mark: NeverLeft) -> Self {
        Self {
            reason,
            slot: None,
            text: None,
            mark,
        }
    }

    fn saying(reason: Reason, text: String) -> Self {
        let text = Some(text.into());
        Self {
            text,
            ..Self::new(reason)
        }
    }

    pub(crate) fn unknown_route(method: &Method) -> Self {
        let text = format!(
            "no route matches this {method} request, so no credential is chosen for it; add a route for it"
        );
        Self::saying(Reason::UnknownRoute, text)
    }

    /// A request to `uri`, which has a scheme and a host, under a slot that is bound to `origins`.
    pub(crate) fn elsewhere(uri: &Uri, origins: &[Origin]) -> Self {
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let host = authority.rsplit('@').next().unwrap_or_default();
        let bound: Vec<String> = origins.iter().map(ToString::to_string).collect();
        let bound = bound.join(", ");
        let text =
            format!("the request goes to {scheme}://{host}, and the slot is bound to {bound}");
        Self::saying(Reason::Elsewhere, text)
    }

    pub(crate) fn callers_own(header: &HeaderName) -> Self {
        let text = format!(
            "the request already carries a header `{header}` of the caller's own; remove it, or say with `callers_own` whether to keep or replace it"
        );
        Self::saying(Reason::CallersOwn, text)
    }

    /// Whether the call's own deadline or the slot's longest wait has ended the wait.
    pub(crate) fn timed_out(waited: Duration, by_deadline: bool) -> Self {
        // Whole milliseconds, which is what timers go by.
        let waited = Duration::from_millis(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
        let text = if by_deadline {
            format!("no token came within {waited:?}, when the call's deadline passed")
        } else {
            format!(
                "no token came within {waited:?}, the longest that the slot lets a request wait (`Slot::wait`)"
            )
        };
        Self::saying(Reason::TimedOut, text)
    }

    /// Whether a gate has waited for the token that is not there any more.
    pub(crate) fn not_usable(gated: bool) -> Self {
        let text = if gated {
            "the token ended while the request waited below the gate; send it again"
        } else {
            "there is no usable token as the request departs, and no gate has waited for one; put a gate above"
        };
        Self::saying(Reason::NotUsable, text.to_owned())
    }

    pub(crate) fn of(mut self, slot: &SlotName) -> Self {
        self.slot = Some(slot.clone());
        self
    }

    /// Why the request was refused.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The slot that the request was to take, where that was known.
    pub fn slot(&self) -> Option<&SlotName> {
        self.slot.as_ref()
    }
}

/// Marks the failure of an inner service to become ready: its call never left. Marks it once.
pub(crate) fn not_ready(error: impl Into<BoxError>) -> BoxError {
    let error = error.into();
    match NeverLeft::find(&*error) {
        Some(_) => error,
        None => NeverLeft::wrap(Refusal::Transient, error).into(),
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(slot) = &self.slot {
            write!(f, "credential slot `{slot}`: ")?;
        }
        f.write_str(self.text.as_deref().unwrap_or(self.reason.text()))
    }
}

impl Error for AuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}
