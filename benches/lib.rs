//! What the benches share: the limiters and the retrying layers that are compared, each as its authors would have it used,
//! and the requests that go through them.
//!
//! | module | what it has |
//! | --- | --- |
//! | `calls` | requests of a client of an API, and the service that answers them at once |
//! | `flags` | what a bench may be told on its command line |
//! | `harness` | what a case asks of whoever measures it |
//! | `layers` | each limiter in front of a service that answers at once |
//! | `limiters` | each limiter by itself |
//! | `pace` | how much a limiter lets through |
//! | `requests` | the service that answers at once, and what is sent to it through a limiter |
//! | `retries` | each layer that retries in front of a service that answers at once |

pub mod calls;
pub mod credentials;
mod flags;
mod harness;
pub mod layers;
pub mod limiters;
mod pace;
mod requests;
pub mod retries;

pub use flags::Flags;
pub use harness::Harness;
pub use pace::Pace;
pub use requests::{Client, answer, requests, send_all};
