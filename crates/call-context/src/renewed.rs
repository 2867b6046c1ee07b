//! The mark of a response whose credential has been replaced since.

/// A response extension: the server refused the credential, and a newer one is at hand.
///
/// The gate of `auth-layer` sets it on a 401 once the slot holds a credential newer than the one that was refused. A
/// retry layer replays such a call once, at once, and through every layer again, so that the replay is counted. Where the
/// gate leaves the [`SlotName`](crate::SlotName) beside it, fruitless replays are bounded slot by slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed;
