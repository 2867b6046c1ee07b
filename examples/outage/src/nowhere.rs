//! A connection that does not come about.

use std::future::ready;
use std::io;
use std::sync::Arc;

use reqwest::Client;
use reqwest::dns::{Name, Resolve, Resolving};

/// A client that no name leads anywhere: its errors are those of reqwest itself, and of what is below it, for an attempt to
/// connect that failed. No socket is opened for them, and no time passes.
#[derive(Clone)]
pub(crate) struct Nowhere(Client);

struct NoAddress;

impl Resolve for NoAddress {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(ready(Err(io::Error::other("no address").into())))
    }
}

impl Nowhere {
    pub(crate) fn new() -> Self {
        let client = Client::builder()
            .no_proxy()
            .retry(reqwest::retry::never())
            .dns_resolver(Arc::new(NoAddress));
        Self(client.build().expect("a client without TLS"))
    }

    /// Fails to connect, and says how.
    pub(crate) async fn connect(&self) -> reqwest::Error {
        let outcome = self.0.get("http://server.invalid/").send().await;
        outcome.expect_err("there is no address")
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_error_is_that_of_an_attempt_to_connect_and_takes_no_time() {
        let began = Instant::now();
        let error = Nowhere::new().connect().await;
        assert!(error.is_connect(), "{error:?}");
        assert_eq!(began.elapsed(), std::time::Duration::ZERO);
    }
}
