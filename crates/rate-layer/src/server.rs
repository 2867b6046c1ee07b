//! Reads what a server says about its limits, and learns its clock.
//!
//! | module | what it knows |
//! | --- | --- |
//! | `stated`, `statements` | what a response states of one limit, and of all |
//! | `dialect` | the trait |
//! | `ietf`, `draft7`, `draft6` | the fields of the IETF, as they have changed |
//! | `x_rate_limit`, `used_weight` | the headers that came before |
//! | `standard` | the ones that can be read without being told which |
//! | `items`, `policies` | structured fields, and policies that go by their quota |
//! | `reset`, `time`, `count` | times and numbers |
//! | `clock` | the offset of the server's clock, and when its aligned windows end |

pub(crate) mod clock;
#[cfg(not(loom))]
mod count;
#[cfg(not(loom))]
mod dialect;
#[cfg(not(loom))]
mod draft6;
#[cfg(not(loom))]
mod draft7;
#[cfg(not(loom))]
mod ietf;
#[cfg(not(loom))]
mod items;
#[cfg(not(loom))]
mod policies;
#[cfg(not(loom))]
mod reset;
#[cfg(not(loom))]
mod standard;
mod stated;
mod statements;
#[cfg(not(loom))]
mod time;
#[cfg(not(loom))]
mod used_weight;
#[cfg(not(loom))]
mod x_rate_limit;

#[cfg(not(loom))]
pub use dialect::Dialect;
#[cfg(not(loom))]
pub use draft6::Draft6;
#[cfg(not(loom))]
pub use draft7::Draft7;
#[cfg(not(loom))]
pub use ietf::Ietf;
#[cfg(not(loom))]
pub use reset::ResetForm;
#[cfg(not(loom))]
pub use standard::Standard;
pub use stated::Stated;
pub use statements::Statements;
#[cfg(not(loom))]
pub use used_weight::UsedWeight;
#[cfg(not(loom))]
pub use x_rate_limit::XRateLimit;
