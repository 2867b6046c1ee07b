//! What a budget gains and what retries cost, in the budget's own time.

/// What a budget was told, in retries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    pub(super) capacity: u32,
    pub(super) per_success: f64,
    pub(super) per_second: f64,
    pub(super) throttle_cost: f64,
    pub(super) connect_cost: f64,
}

/// Rates in nanoseconds of the budget's own time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Whether time passes at all.
    pub(super) flows: bool,
    /// What a retry costs.
    pub(super) cost: i64,
    /// What the retry of a throttled request costs.
    pub(super) throttle_cost: i64,
    /// What a retry costs that found no connection.
    pub(super) connect_cost: i64,
    pub(super) gain: i64,
    pub(super) full: i64,
}

/// The longest cost of one retry, and of a full budget: far from an overflow of any sum of three.
pub(super) const LONGEST: i64 = i64::MAX / 8;

impl Rates {
    pub(super) fn scale(self) -> Scale {
        let capacity = i64::from(self.capacity).max(1);
        // Costs are rounded up, and the gain down, so that no rounding lets a retry through.
        let cost = (1e9 / self.per_second).ceil();
        // A floor so low that a full budget would take centuries to fill is none.
        let flows = cost.is_finite() && cost < (LONGEST / capacity) as f64;
        let cost = if flows {
            (cost as i64).max(1)
        } else {
            1_000_000_000
        };
        let throttle_cost = (self.throttle_cost * cost as f64).ceil();
        let connect_cost = (self.connect_cost * cost as f64).ceil();
        let gain = (self.per_success * cost as f64).floor();
        Scale {
            flows,
            cost,
            throttle_cost: (throttle_cost as i64).min(LONGEST),
            connect_cost: (connect_cost as i64).min(LONGEST),
            gain: (gain as i64).min(LONGEST),
            full: i64::from(self.capacity) * cost,
        }
    }
}
