//! What both sides know of one trade, and what is wrong with it.

use sandbox::TradeReport;

/// How a trade ended for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was carried out, as far as the answer says.
    Succeeded,
    /// Another answer.
    Refused,
    /// No answer.
    Failed,
}

/// One trade, when all is over.
#[derive(Clone, Copy, Debug)]
pub struct Trade {
    /// Whether it had an idempotency key.
    pub key: bool,
    /// How it ended for its caller.
    pub ending: Ending,
    /// How often it was handed to the client.
    pub attempts: u32,
    /// How many of these attempts provably never left.
    pub never_left: u32,
    /// What the server saw of it.
    pub server: TradeReport,
}

/// What must not become of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The server carried it out more than once.
    ExecutedTwice,
    /// It reached the server more than once without a key.
    SentAgainWithoutProof,
    /// Nothing of it ever left, and it failed in the end.
    NeverLeftAndFailed,
    /// An attempt that provably never left has reached the server: the proof is none.
    ProofRefuted,
    /// Its caller was told of a success that there was not.
    NotExecuted,
    /// It had a key, and did not succeed.
    KeyedAndFailed,
}

impl Trade {
    /// Whether the caller does not know what became of it: an attempt left, and none was answered with a success.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.ending == Ending::Failed && self.never_left < self.attempts
    }

    /// What is wrong with it.
    pub fn wrongs(&self) -> impl Iterator<Item = Wrong> {
        let succeeded = self.ending == Ending::Succeeded;
        let left = u64::from(self.attempts.saturating_sub(self.never_left));
        [
            (Wrong::ExecutedTwice, self.server.executed > 1),
            (
                Wrong::SentAgainWithoutProof,
                !self.key && self.server.arrived > 1,
            ),
            (Wrong::NeverLeftAndFailed, !succeeded && left == 0),
            (Wrong::ProofRefuted, self.server.arrived > left),
            (Wrong::NotExecuted, succeeded && self.server.executed == 0),
            (Wrong::KeyedAndFailed, !succeeded && self.key),
        ]
        .into_iter()
        .filter_map(|(wrong, is)| is.then_some(wrong))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Trade = Trade {
        key: false,
        ending: Ending::Succeeded,
        attempts: 2,
        never_left: 1,
        server: TradeReport {
            arrived: 1,
            executed: 1,
        },
    };

    #[track_caller]
    fn found(trade: Trade, wrongs: &[Wrong]) {
        assert_eq!(trade.wrongs().collect::<Vec<_>>(), wrongs, "{trade:?}");
    }

    fn seen(arrived: u64, executed: u64) -> TradeReport {
        TradeReport { arrived, executed }
    }

    #[test]
    fn a_trade_that_was_sent_again_on_proof_is_fine() {
        found(FINE, &[]);
    }

    #[test]
    fn a_trade_of_which_nobody_knows_is_fine() {
        for server in [seen(1, 1), seen(1, 0), seen(0, 0)] {
            let trade = Trade {
                ending: Ending::Failed,
                server,
                ..FINE
            };
            assert!(trade.is_unknown());
            found(trade, &[]);
        }
    }

    #[test]
    fn each_wrong_is_found() {
        let keyed = Trade { key: true, ..FINE };
        let arrived = |attempts, server| Trade {
            attempts,
            server,
            ..FINE
        };
        found(
            arrived(3, seen(2, 2)),
            &[Wrong::ExecutedTwice, Wrong::SentAgainWithoutProof],
        );
        found(arrived(3, seen(2, 1)), &[Wrong::SentAgainWithoutProof]);
        found(
            Trade {
                attempts: 3,
                server: seen(2, 1),
                ..keyed
            },
            &[],
        );
        found(
            Trade {
                server: seen(2, 1),
                ..keyed
            },
            &[Wrong::ProofRefuted],
        );
        found(arrived(2, seen(1, 0)), &[Wrong::NotExecuted]);
        let failed = Trade {
            ending: Ending::Failed,
            ..keyed
        };
        found(failed, &[Wrong::KeyedAndFailed]);
        let stayed = Trade {
            ending: Ending::Failed,
            never_left: 2,
            server: seen(0, 0),
            ..FINE
        };
        assert!(!stayed.is_unknown());
        found(stayed, &[Wrong::NeverLeftAndFailed]);
        // Refused by a layer before the first attempt: nothing left either.
        found(
            Trade {
                attempts: 0,
                never_left: 0,
                ..stayed
            },
            &[Wrong::NeverLeftAndFailed],
        );
    }
}
