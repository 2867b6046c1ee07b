//! The shapes that a limit can have, and what a request may take of them. Pure: no clock, no lock, no waiting.
//!
//! | module | what it keeps |
//! | --- | --- |
//! | `terms` | what follows from a quota, worked out once |
//! | `ring` | when places free, in three bytes each |
//! | `rolling` | the places of one window, rolling or aligned to the server's clock |
//! | `pacer` | departures at a pace, by governor |
//! | `sight` | when a place will be free, as far as it can be seen |
//! | `tiers` | several of these at once: all or none |

pub(crate) mod pacer;
pub(crate) mod ring;
pub(crate) mod rolling;
pub(crate) mod sight;
pub(crate) mod terms;
pub(crate) mod tiers;
