//! How long a store may take: one that hangs has failed, and holds up nobody for good.

use std::time::Duration;

use tokio::time::timeout;

use super::{GrantStore, StoreError, StoreFuture};

/// A store that has not read, written or emptied within this time has failed. What it was to write is kept here.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Waits for what `store` was asked to do, and gives it up where that takes too long: what still comes of it reaches nobody.
/// `what` it is goes into the error.
pub(super) async fn in_time<T>(
    store: &dyn GrantStore,
    what: &str,
    work: StoreFuture<'_, T>,
) -> Result<T, StoreError> {
    match timeout(ANSWER_WITHIN, work).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::temporary(format!(
            "{what} {} took longer than {ANSWER_WITHIN:?}",
            store.place()
        ))),
    }
}
