//! Business keys: accepted, revoked, and named without being shown.

use parking_lot::Mutex;

/// Keys by the order in which they came.
pub(super) struct BusinessKeys(Mutex<Vec<(String, bool)>>);

impl From<&Vec<String>> for BusinessKeys {
    fn from(keys: &Vec<String>) -> Self {
        Self(Mutex::new(
            keys.iter().map(|key| (key.clone(), true)).collect(),
        ))
    }
}

impl BusinessKeys {
    pub(super) fn add(&self, key: String) {
        self.0.lock().push((key, true));
    }

    pub(super) fn first(&self) -> Option<String> {
        self.0.lock().first().map(|(key, _)| key.clone())
    }

    pub(super) fn revoke(&self, key: &str) -> bool {
        let mut keys = self.0.lock();
        let known = keys
            .iter_mut()
            .find(|(known, active)| *active && known == key);
        known.is_some_and(|(_, active)| {
            *active = false;
            true
        })
    }

    /// The label of a key and whether it is still accepted.
    pub(super) fn find(&self, key: &str) -> Option<(String, bool)> {
        let keys = self.0.lock();
        // The newest first: a key that was revoked may have been added again.
        let (at, (_, active)) = keys
            .iter()
            .enumerate()
            .rev()
            .find(|(_, (known, _))| known == key)?;
        Some((label(at), *active))
    }
}

/// What reports call the key that came as number `at`, from 0.
pub(super) fn label(at: usize) -> String {
    format!("business key {}", at + 1)
}
