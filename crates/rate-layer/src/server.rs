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

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "for the clock-aligned window, which comes next")
)]
mod clock;
mod count;
mod dialect;
mod draft6;
mod draft7;
mod ietf;
mod items;
mod policies;
mod reset;
mod standard;
mod stated;
mod statements;
mod time;
mod used_weight;
mod x_rate_limit;

pub use dialect::Dialect;
pub use draft6::Draft6;
pub use draft7::Draft7;
pub use ietf::Ietf;
pub use reset::ResetForm;
pub use standard::Standard;
pub use stated::Stated;
pub use statements::Statements;
pub use used_weight::UsedWeight;
pub use x_rate_limit::XRateLimit;
