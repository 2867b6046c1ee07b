//! The failures that this layer adds.

use std::error::Error;
use std::fmt;

use call_context::{NeverLeft, Refusal};

/// The call's deadline passed, and there was no response to return.
///
/// The attempt that was under way has been abandoned: the server may have processed the request, or may still do so. Where
/// an earlier attempt had been answered and the request may be repeated without harm, that answer is returned instead of
/// this error. A call whose deadline had passed before its first attempt carries [`NeverLeft`] as its source.
#[derive(Debug)]
pub struct DeadlineExceeded {
    attempt: u32,
    never_left: Option<NeverLeft>,
}

impl DeadlineExceeded {
    pub(crate) fn during(attempt: u32) -> Self {
        Self {
            attempt,
            never_left: None,
        }
    }

    pub(crate) fn before_the_first() -> Self {
        Self {
            attempt: 0,
            never_left: Some(NeverLeft::new(Refusal::Permanent)),
        }
    }

    /// The attempt that was abandoned, counted from 1; 0 where none was made.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

impl fmt::Display for DeadlineExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempt {
            0 => f.write_str("the call's deadline passed before the first attempt"),
            n => write!(f, "the call's deadline passed during attempt {n}"),
        }
    }
}

impl Error for DeadlineExceeded {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.never_left.as_ref().map(|mark| mark as _)
    }
}

/// The call came through a rate layer on its way to the retry layer: the layers are in the wrong order.
///
/// Replays would leave without a place in the limit, and draw 429s. The call was not sent, and never will be: the error
/// carries [`NeverLeft`], [permanent](Refusal::Permanent), as its source. A retry layer that repeats nothing may stand
/// anywhere.
#[derive(Debug)]
pub struct BelowRateLayer {
    never_left: NeverLeft,
}

impl BelowRateLayer {
    pub(crate) fn new() -> Self {
        Self {
            never_left: NeverLeft::new(Refusal::Permanent),
        }
    }
}

impl fmt::Display for BelowRateLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the request has passed a rate layer, which would not count its replays; put the retry layer above the rate layer",
        )
    }
}

impl Error for BelowRateLayer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.never_left)
    }
}
