//! How long one may have to wait.

use super::World;
use super::calls::Stage;

impl World {
    /// Works out how long whoever has come, or has aged, may wait.
    ///
    /// Let D be the longest time for which a place stays taken. Within D after all who are older are gone, there is room
    /// for the oldest of those who wait where it stands. Each time it is passed over it comes to the front of another one of
    /// its windows, so it has aged after as many times D as it has windows, and has its places another D later. Those who
    /// are older take as long, one after the other.
    pub(super) fn note_who_has_aged(&mut self) {
        let longest = self.calls.iter().map(|call| {
            let held = self.naive.windows.iter().flat_map(|window| &window.tiers);
            let held = held.map(|(quota, _)| {
                let held = quota
                    .after_abandonment()
                    .max(quota.after_departure().unwrap_or_default());
                u64::try_from(held.as_millis()).expect("short")
            });
            call.plan.lingers + call.plan.latency + held.max().unwrap_or(0)
        });
        let longest = longest.max().unwrap_or(0);
        let mut older = 0;
        for number in self.waiting().collect::<Vec<_>>() {
            let call = &mut self.calls[number];
            let turns = call.plan.by_window().len() as u64 + 1;
            if let Stage::Waits {
                ticket,
                aged,
                bounds,
                ..
            } = &mut call.stage
            {
                let is_aged = self.book.waiters[ticket].is_aged();
                if bounds[0] == u64::MAX {
                    bounds[0] = longest * (older + turns);
                }
                if is_aged && aged.is_none() {
                    *aged = Some(self.now);
                    bounds[1] = longest * (older + 1);
                }
            }
            older += turns;
        }
    }
}
