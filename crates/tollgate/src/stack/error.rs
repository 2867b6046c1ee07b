//! Why a stack cannot be built.

use std::error::Error;
use std::fmt;

use auth_layer::BuildError;
use call_context::{Class, RoutesError, SlotName};
use http::HeaderName;

/// Why a stack cannot be built. Says what to change.
#[derive(Debug)]
pub struct StackError(Fault);

#[derive(Debug)]
pub(super) enum Fault {
    NoCredential,
    NothingToChooseBy,
    TwoLimits,
    /// What the rate layer says of itself.
    Limits(&'static str),
    LimitWithoutSlot(SlotName),
    SlotWithoutLimit(SlotName),
    TenantsNamed(SlotName),
    TenantsWithoutLimit(SlotName),
    /// Which layer names it.
    ClassWithoutRoute(&'static str, Class),
    /// Where the layer of keys puts a key, and where the retry layer looks for one.
    KeyHeaders {
        written: HeaderName,
        read: HeaderName,
    },
    Routes(RoutesError),
    Auth(BuildError),
}

impl From<Fault> for StackError {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

/// What to say for slots whose names nobody knows beforehand.
const FOR_EACH_TENANT: &str = "give each of them a window by `.otherwise(Keyed::new(quota, key::slot))`, or say \
     `.otherwise(Limit::Unlimited)`";

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Fault::NoCredential => {
                f.write_str("the stack has no credential; give it one with `key`, `token` or `slot`")
            }
            Fault::NothingToChooseBy => f.write_str(
                "the stack has several credentials and nothing to choose by; add each `route`, and the slot of each `class`",
            ),
            Fault::TwoLimits => f.write_str(
                "the stack has two limits, and one would be lost; give `limit` or `rate`, once",
            ),
            Fault::Limits(contradiction) => f.write_str(contradiction),
            Fault::LimitWithoutSlot(slot) => write!(
                f,
                "the rate layer names the slot `{slot}`, which the stack does not have; is it misspelt?"
            ),
            Fault::SlotWithoutLimit(slot) => write!(
                f,
                "the rate layer would turn away all requests of the slot `{slot}`; give it a window, or say `unlimited`"
            ),
            Fault::TenantsNamed(slot) => write!(
                f,
                "the slot `{slot}` has a slot for each tenant, such as `{slot}/acme`, and the rate layer's `slot` and \
                 `unlimited` would hold for `{slot}` alone, which no request has; {FOR_EACH_TENANT}"
            ),
            Fault::TenantsWithoutLimit(slot) => write!(
                f,
                "the rate layer would turn away all requests of the slot `{slot}`, which has a slot for each tenant, such as \
                 `{slot}/acme`; {FOR_EACH_TENANT}"
            ),
            Fault::ClassWithoutRoute(layer, class) => write!(
                f,
                "the {layer} names the class `{class}`, which no route has; is it misspelt?"
            ),
            Fault::KeyHeaders { written, read } => write!(
                f,
                "the layer of idempotency keys writes `{written}`, and the retry layer was told of `{read}`; name the header at the \
                 layer of keys alone"
            ),
            // These know best what is wrong.
            Fault::Routes(error) => error.fmt(f),
            Fault::Auth(error) => error.fmt(f),
        }
    }
}

impl Error for StackError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Fault::Routes(error) => error.source(),
            Fault::Auth(error) => error.source(),
            _ => None,
        }
    }
}
