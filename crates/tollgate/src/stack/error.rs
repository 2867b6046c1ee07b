//! Why a stack cannot be built.

use std::error::Error;
use std::fmt;

use auth_layer::BuildError;
use call_context::{Class, Origin, RoutesError, SlotName};
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
    FirstWithoutRoutes(Class),
    ReserveForNobody,
    KeysForNobody,
    /// The class that is given keys, and those on whose routes keys are honoured.
    KeysOnOtherClass {
        given: Class,
        honoured: Vec<Class>,
    },
    KeyedWithoutOrigin(Class),
    /// Who honours keys, and whom the stack sends requests, or the first of them.
    KeysElsewhere {
        honoured: Vec<Origin>,
        bound: Option<Origin>,
    },
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
                "the stack has two limits, and one would be lost; give `limit` or `rate` once, with all that hold together, as in \
                 `.limit(Quota::rolling(10, SECOND).and(Quota::rolling(100, MINUTE)))`",
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
            Fault::FirstWithoutRoutes(class) => write!(
                f,
                "the rate layer lets the class `{class}` go first, and the stack has no routes to tell a class; add each `route`, or \
                 choose by `first_if`, which also sees a class that the caller has set"
            ),
            Fault::ReserveForNobody => f.write_str(
                "the limit reserves places for requests that go first (`reserve`), and none does, so that nobody could ever take \
                 them; say which go first, as in `.rate(RateLayer::new(quota).first(class))`, or by `first_if` where there are no routes, or \
                 leave `reserve` out; where another stack's go first in the same window, make it by `Window::new`, and give it to both",
            ),
            Fault::KeysOnOtherClass { given, honoured } => {
                write!(
                    f,
                    "the layer of idempotency keys gives them to the class `{given}`, and the retry layer takes keys to be honoured on \
                     the routes of "
                )?;
                for (number, class) in honoured.iter().enumerate() {
                    let comma = if number == 0 { "" } else { ", " };
                    write!(f, "{comma}`{class}`")?;
                }
                write!(
                    f,
                    " alone, so that they would have no effect; add `keyed_class(\"{given}\")`, or, where a server asks for keys and \
                     does not honour them, put the layer of keys above the stack"
                )
            }
            Fault::KeysForNobody => f.write_str(
                "the stack gives idempotency keys, and repeats nothing for them, since the retry layer is not told who honours them; say \
                 `.retry(RetryLayer::new().keys_honoured_by([origin]))`, or, where a server asks for keys and does not honour them, \
                 put the layer of keys above the stack",
            ),
            Fault::KeyedWithoutOrigin(class) => write!(
                f,
                "the retry layer takes keys to be honoured on the routes of the class `{class}`, and is not told by which servers; \
                 add `keys_honoured_by([origin])`"
            ),
            Fault::KeysElsewhere { honoured, bound } => {
                f.write_str("the retry layer takes keys to be honoured by ")?;
                for (number, origin) in honoured.iter().enumerate() {
                    let comma = if number == 0 { "" } else { ", " };
                    write!(f, "{comma}{origin}")?;
                }
                f.write_str(" alone, where the stack sends nothing; name one of its own origins in `keys_honoured_by`")?;
                match bound {
                    Some(origin) => write!(f, ", such as {origin}"),
                    None => Ok(()),
                }
            }
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
