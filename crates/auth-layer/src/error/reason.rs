//! The reasons, by name.

use call_context::Refusal;

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
    /// The request already carries `Authorization`, or a header that one of the slots would set.
    CallersOwn,
    /// The request's [`Override`](crate::Override) cannot stand in a header, or its slot is bound to no origin.
    Override,
    /// The slot has a credential for each tenant, and the request names no tenant.
    NoTenant,
    /// The slot has as many tenants as it may, and none of those that were looked at can be forgotten.
    TooManyTenants,
    /// The request has passed another gate.
    GatedTwice,
    /// The request has passed another attacher.
    AttachedTwice,
    /// The gate is below a rate layer, or the request comes from another call with that call's context.
    BelowRateLayer,
    /// Between gate and attacher the request was changed so that it takes another slot.
    SlotChanged,
    /// A source sends its request through the slot that it fetches for. Seen in the fetch's own task only: see
    /// [`Source`](crate::Source).
    OwnFetch,
    /// A token would have to be fetched outside of a tokio runtime.
    NoRuntime,
    /// No token came in time.
    TimedOut,
    /// The last fetch failed, and the pause after it is longer than the request may wait.
    BackingOff,
    /// The source refused for good.
    Refused,
    /// The slot is logged out.
    LoggedOut,
    /// The runtime that fetched the token for this request was shut down.
    FetchLost,
    /// There is no usable token as the request departs.
    NotUsable,
}

impl Reason {
    /// How the call was refused, as far as a second try is concerned.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::TimedOut
            | Self::BackingOff
            | Self::FetchLost
            | Self::NotUsable
            | Self::TooManyTenants => Refusal::Local,
            _ => Refusal::Permanent,
        }
    }

    /// What to say where nothing more is known.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::UnknownRoute => "no route matches the request, so no credential is chosen for it",
            Self::Unclassifiable => {
                "the request's route cannot be told, so no credential is chosen for it"
            }
            Self::Elsewhere => "the request goes to an origin that the slot is not bound to",
            Self::PlainHttp => {
                "the request is plain http, and the slot is bound to no such origin; use https, or declare the origin with `plain_http`"
            }
            Self::RelativeUri => {
                "the request's URI is relative; give scheme and host, as in https://host/path"
            }
            Self::UserInformation => {
                "the request's URI has a user name or password before its host; remove it"
            }
            Self::ForgedHost => {
                "the request's Host header names another server than its URI; remove it"
            }
            Self::CallersOwn => "the request already carries a credential of its own",
            Self::Override => {
                "the request's `Override` cannot be used; give a secret that can stand in a header, under a slot that is bound to origins"
            }
            Self::NoTenant => "the request names no tenant; insert a `Tenant` into its extensions",
            Self::TooManyTenants => {
                "there are as many tenants as the slot may have, all in use; allow for more with `Tenants::most`"
            }
            Self::GatedTwice => "the request has passed a gate before; a stack needs one",
            Self::AttachedTwice => "the request has passed an attacher before; a stack needs one",
            Self::BelowRateLayer => {
                "the request has already passed a rate layer; put the gate above it, or (when a request is forwarded from another call) drop that call's `CallContext`"
            }
            Self::SlotChanged => {
                "the request was changed between gate and attacher and would take another credential"
            }
            Self::OwnFetch => {
                "the slot's source sends its request through the slot itself; give it a client of its own, or one under another slot"
            }
            Self::NoRuntime => "a token can be fetched only inside of a tokio runtime",
            Self::TimedOut => "no token came in time",
            Self::BackingOff => {
                "the last fetch failed, and the next one is due too late for this request"
            }
            Self::Refused => {
                "the token source has refused for good; nothing is fetched until `TokenSlot::changed` is called"
            }
            Self::LoggedOut => "the slot is logged out; log in, and call `TokenSlot::changed`",
            Self::FetchLost => "the runtime that fetched the token was shut down",
            Self::NotUsable => "there is no usable token as the request departs",
        }
    }
}
