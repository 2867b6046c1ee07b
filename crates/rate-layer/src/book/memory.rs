//! What the limits of one key remember beside their places, and most need no room for.

use std::time::Duration;

use crate::moment::Moment;
use crate::server::clock::ServerClock;

/// By how many parts in a million the server's clock may differ from ours in rate, as far as the bounds of its windows go.
const DRIFT: u32 = 1000;
/// The clock of a server of which nothing is known.
static UNKNOWN: ServerClock = ServerClock::new(DRIFT);

/// What is remembered beside the places: made once there is something to remember.
#[derive(Debug)]
pub(crate) struct Memory {
    /// The admission whose answer set the limit last; 0 where none has.
    pub(crate) adopted_at: u64,
    /// Whether the program has set a limit.
    pub(crate) is_set: bool,
    /// Until when what a request has cost may be set right that counts for less by now, or for nothing.
    pub(crate) corrected_until: Moment,
    /// The clock of the server, where windows go by it. Each key may have a server of its own.
    server: ServerClock,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            adopted_at: 0,
            is_set: false,
            corrected_until: Moment::START,
            server: UNKNOWN,
        }
    }
}

impl Memory {
    /// The clock of the server, by what is remembered of it.
    pub(crate) fn server_of(memory: Option<&Self>) -> &ServerClock {
        memory.map_or(&UNKNOWN, |memory| &memory.server)
    }

    /// Learns the server's clock from a response.
    pub(crate) fn learn(&mut self, date: Duration, departed: Moment, arrived: Moment) {
        self.server.learn(date, departed, arrived);
    }

    /// Keeps the key until `free_at`, when the request that was corrected has left the window.
    pub(crate) fn keep_until(&mut self, free_at: Moment) {
        self.corrected_until = self.corrected_until.max(free_at);
    }
}
