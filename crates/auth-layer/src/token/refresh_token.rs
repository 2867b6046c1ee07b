//! Which refresh token a slot keeps, where fetches end in another order than they began.

use crate::Secret;

/// The newest refresh token that came with a grant.
#[derive(Default)]
pub(super) struct RefreshToken {
    token: Option<Secret>,
    /// Of the fetch that brought it.
    epoch: u64,
}

/// What became of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    Nothing,
    /// It takes the place of what there was (RFC 6749, section 6).
    Kept,
    /// A newer fetch has brought another one, which stays.
    Overtaken,
}

impl RefreshToken {
    pub(super) fn get(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    pub(super) fn take(&mut self) -> Option<Secret> {
        self.token.take()
    }

    /// Notes what the fetch of `epoch` has brought.
    ///
    /// A fetch that was frozen may end after a newer one. If that has brought no other refresh token, the server has replaced the old
    /// one in its answer to the frozen fetch alone, and that is the one to go on with. If both have brought one, the newer fetch's
    /// stays: nobody knows which of them the server gave last.
    pub(super) fn bring(&mut self, epoch: u64, token: Option<Secret>) -> Brought {
        let Some(token) = token else {
            return Brought::Nothing;
        };
        let held = self.token.as_ref().map(Secret::expose);
        if held == Some(token.expose()) {
            // The same again is no news: a source may say which one it has spent.
            return Brought::Nothing;
        }
        if epoch < self.epoch {
            return Brought::Overtaken;
        }
        self.token = Some(token);
        self.epoch = epoch;
        Brought::Kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_fetch_brings_a_refresh_token_only_where_no_newer_one_has() {
        let bring = |kept: &mut RefreshToken, epoch, token: &str| {
            let brought = kept.bring(epoch, (!token.is_empty()).then(|| token.into()));
            (brought, kept.get().map_or("", Secret::expose).to_owned())
        };
        let mut kept = RefreshToken::default();
        assert_eq!(bring(&mut kept, 1, ""), (Brought::Nothing, "".into()));
        assert_eq!(bring(&mut kept, 1, "r1"), (Brought::Kept, "r1".into()));
        // Fetch 2 is frozen; 3 brings none, and 4 the one that it has spent.
        assert_eq!(bring(&mut kept, 3, ""), (Brought::Nothing, "r1".into()));
        assert_eq!(bring(&mut kept, 4, "r1"), (Brought::Nothing, "r1".into()));
        assert_eq!(bring(&mut kept, 2, "r2"), (Brought::Kept, "r2".into()));
        // Fetch 5 is frozen, and 6 brings one.
        assert_eq!(bring(&mut kept, 6, "r6"), (Brought::Kept, "r6".into()));
        assert_eq!(bring(&mut kept, 5, "r5"), (Brought::Overtaken, "r6".into()));
        assert_eq!(bring(&mut kept, 5, "r6"), (Brought::Nothing, "r6".into()));
    }
}
