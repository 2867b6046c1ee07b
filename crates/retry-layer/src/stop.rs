//! Why a call ends although another try might have gone better.

/// Why an outcome that another try might have mended was returned nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// No attempt was left.
    Attempts,
    /// A layer below refused the call for good, or for the second time, or was not ready for a replay.
    /// [`RetryInfo::refusal`](crate::RetryInfo::refusal) says why, where an earlier outcome was returned.
    Refused,
    /// Repeating the request might have done harm.
    NotSafe,
    /// The body could not be sent again.
    Body,
    /// The server asked for a longer wait than the layer obeys.
    Wait,
    /// The call's deadline would have passed, or did.
    Deadline,
    /// The budget was empty.
    Budget,
    /// The slot's renewed credentials had been refused too often.
    Renewals,
}

impl Stop {
    pub(crate) const COUNT: usize = 8;

    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Attempts,
        Self::Refused,
        Self::NotSafe,
        Self::Body,
        Self::Wait,
        Self::Deadline,
        Self::Budget,
        Self::Renewals,
    ];

    /// The name, as in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Refused => "refused",
            Self::NotSafe => "not safe",
            Self::Body => "body",
            Self::Wait => "wait too long",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
            Self::Renewals => "renewals",
        }
    }

    /// What an error says of it, and where there is something to change, what.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Attempts => "no attempt is left",
            Self::Refused => "a layer below refused the request",
            Self::NotSafe => {
                "the server may have processed the request, and it has no idempotency key that is known to be honoured"
            }
            Self::Body => "its body cannot be sent again",
            Self::Wait => "the server asks for a longer wait than the layer obeys",
            Self::Deadline => "the call's deadline comes before the next attempt",
            Self::Budget => "the retry budget is empty",
            Self::Renewals => "renewed credentials are refused again and again",
        }
    }
}
