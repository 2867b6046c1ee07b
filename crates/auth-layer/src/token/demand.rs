//! Who will want the token: calls that have passed the gate and have not departed yet.

use std::sync::Arc;

/// Counts the calls at one stage of their way, by the clones that they hold.
///
/// A clone is dropped exactly once, however its call ends: that is all the counting there is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<()>);

impl Tally {
    fn calls(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// The calls of a slot on their way.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// Came to the gate, which has not given them an answer yet.
    pub(super) gated: Tally,
    /// Of these, the ones that carry the token already.
    pub(super) departed: Tally,
}

impl Demand {
    /// Whether a call is between gate and departure.
    ///
    /// A layer in between that sends one call twice at once hides one other call here. That costs no more than a renewal
    /// that the next call at the gate starts instead.
    pub(super) fn is_there(&self) -> bool {
        self.gated.calls() > self.departed.calls()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_in_demand_from_the_gate_to_its_departure() {
        let demand = Demand::default();
        assert!(!demand.is_there());
        let gated = demand.gated.clone();
        assert!(demand.is_there());
        let departed = demand.departed.clone();
        assert!(!demand.is_there());
        let second = demand.gated.clone();
        assert!(demand.is_there());
        drop(second);
        drop(gated);
        drop(departed);
        assert!(!demand.is_there());
    }

    #[test]
    fn departures_that_no_gate_has_counted_do_not_wrap() {
        let demand = Demand::default();
        let _departed = demand.departed.clone();
        assert!(!demand.is_there());
    }
}
