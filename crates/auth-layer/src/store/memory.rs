//! A store in memory.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use super::{GrantStore, StoreFuture, StoreLock};
use crate::Secret;

/// A store that lasts as long as the process: for slots that share one grant, and for tests. Its clones are the same store.
#[derive(Clone, Default)]
pub struct MemoryStore {
    kept: Arc<Mutex<Option<Secret>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl GrantStore for MemoryStore {
    fn load(&self) -> StoreFuture<'_, Option<Secret>> {
        Box::pin(async { Ok(self.kept.lock().clone()) })
    }

    fn lock(&self) -> StoreFuture<'_, Box<dyn StoreLock>> {
        Box::pin(async {
            let lock = MemoryLock {
                kept: Arc::clone(&self.kept),
                _turn: Arc::clone(&self.turn).lock_owned().await,
            };
            Ok(Box::new(lock) as Box<dyn StoreLock>)
        })
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn has_many_machines(&self) -> bool {
        false
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

struct MemoryLock {
    kept: Arc<Mutex<Option<Secret>>>,
    _turn: OwnedMutexGuard<()>,
}

impl StoreLock for MemoryLock {
    fn load(&mut self) -> StoreFuture<'_, Option<Secret>> {
        Box::pin(async { Ok(self.kept.lock().clone()) })
    }

    fn save(&mut self, text: Secret) -> StoreFuture<'_, ()> {
        Box::pin(async {
            *self.kept.lock() = Some(text);
            Ok(())
        })
    }

    fn remove(&mut self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            *self.kept.lock() = None;
            Ok(())
        })
    }
}
