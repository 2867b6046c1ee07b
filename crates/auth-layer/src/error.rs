//! Why a request was refused.

use std::error::Error;
use std::fmt;

use call_context::{BoxError, NeverLeft, Refusal, SlotName};

/// Why a request was refused before it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No route matches the request.
    UnknownRoute,
    /// The path is ambiguous, or the caller asks for a class that the route does not declare.
    Unclassifiable,
    /// The request goes to an origin that the slot is not bound to.
    Elsewhere,
    /// The request is plain http, and the slot is bound to no plain-http origin of that host.
    PlainHttp,
    /// The URI has no scheme and host.
    RelativeUri,
    /// The URI has a user name or password before its host.
    UserInformation,
    /// The `Host` header names another server than the URI.
    ForgedHost,
    /// The request already carries the header that the slot would set.
    CallersOwn,
    /// The request has passed another gate.
    GatedTwice,
    /// The request has passed another attacher.
    AttachedTwice,
    /// The gate is below a rate layer.
    BelowRateLayer,
    /// Between gate and attacher the request was changed so that it takes another slot.
    SlotChanged,
    /// A source sends its request through the slot that it fetches for.
    OwnFetch,
    /// A token would have to be fetched outside of a tokio runtime.
    NoRuntime,
    /// No token came in time.
    TimedOut,
    /// The last fetch failed, and the pause after it is longer than the request may wait.
    BackingOff,
    /// The source refused for good.
    Refused,
    /// The runtime that fetched the token for this request was shut down.
    FetchLost,
    /// There is no usable token as the request departs.
    NotUsable,
}

impl Reason {
    /// How the call was refused, as far as a second try is concerned.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::TimedOut | Self::BackingOff | Self::FetchLost | Self::NotUsable => Refusal::Local,
            _ => Refusal::Permanent,
        }
    }
}

/// A request that was refused before it left. Names the slot and never a secret, nor the request's URI.
///
/// It stands in the chain above a [`NeverLeft`], below which the cause follows, where there is one.
#[derive(Debug)]
pub struct AuthError {
    reason: Reason,
    slot: Option<SlotName>,
    mark: NeverLeft,
}

impl AuthError {
    pub(crate) fn new(reason: Reason) -> Self {
        Self {
            reason,
            slot: None,
            mark: NeverLeft::new(reason.refusal()),
        }
    }

    pub(crate) fn because(reason: Reason, error: impl Into<BoxError>) -> Self {
        Self {
            reason,
            slot: None,
            mark: NeverLeft::wrap(reason.refusal(), error),
        }
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
        f.write_str(match self.reason {
            Reason::UnknownRoute => {
                "no route matches the request, so no credential is chosen for it; add a route for it"
            }
            Reason::Unclassifiable => "the request's route cannot be told, so no credential is chosen for it",
            Reason::Elsewhere => "the request goes to an origin that the slot is not bound to",
            Reason::PlainHttp => {
                "the request is plain http, and the slot is bound to no such origin; use https, or declare the origin with `plain_http`"
            }
            Reason::RelativeUri => "the request's URI is relative; give scheme and host, as in https://host/path",
            Reason::UserInformation => {
                "the request's URI has a user name or password before its host; remove it"
            }
            Reason::ForgedHost => "the request's Host header names another server than its URI; remove it",
            Reason::CallersOwn => {
                "the request already carries the header that the slot sets; remove it, or say with `callers_own` whether to keep or replace it"
            }
            Reason::GatedTwice => "the request has passed a gate before; a stack needs one",
            Reason::AttachedTwice => "the request has passed an attacher before; a stack needs one",
            Reason::BelowRateLayer => {
                "the request already holds a place in a rate limit; put the gate above the rate layer"
            }
            Reason::SlotChanged => {
                "the request was changed between gate and attacher and would take another credential"
            }
            Reason::OwnFetch => {
                "the slot's source sends its request through the slot itself; give it a client of its own, or one under another slot"
            }
            Reason::NoRuntime => "a token can be fetched only inside of a tokio runtime",
            Reason::TimedOut => "no token came in time",
            Reason::BackingOff => "the last fetch failed, and the next one is due too late for this request",
            Reason::Refused => {
                "the token source has refused for good; nothing is fetched until `TokenSlot::changed` is called"
            }
            Reason::FetchLost => "the runtime that fetched the token was shut down",
            Reason::NotUsable => {
                "there is no usable token as the request departs; put a gate above, or send the request again"
            }
        })
    }
}

impl Error for AuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}
