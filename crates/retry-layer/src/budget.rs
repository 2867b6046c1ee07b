//! What bounds the load that retries add.

mod bucket;
mod origins;
mod rates;
#[cfg(test)]
mod tests;
mod withdrawal;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use call_context::Origin;
use http::Uri;

use self::bucket::Bucket;
use self::origins::Origins;
use self::rates::{LONGEST, Rates};
pub(crate) use self::withdrawal::Withdrawal;

/// Enough for fifty dials out of a full budget by default: what a restart of a second takes, and no outage of a minute.
const CONNECT_COST: f64 = 0.2;

/// An allowance for retries, shared by all clones.
///
/// Each retry takes one from it; what it holds grows with successes and with time, and never above its capacity. Whatever
/// happens, and however many threads take part, over any time `T` since the first use
///
/// ```text
/// retries ≤ capacity + per_second · T + per_success · successes
/// ```
///
/// where a retry of a throttled request counts as much as it [costs](Self::throttle_cost), and so does one that [found no
/// connection](Self::connect_cost). Retries that never reached the network (a layer below turned them away, or they were given up
/// before) are given back whole and not counted. Every operation is one short loop on one atomic number, whatever the time since
/// the last one.
///
/// The default holds 10, and gains 0.2 for each success and 0.1 for each second.
///
/// ```
/// use std::time::{Duration, Instant};
/// use retry_layer::Budget;
///
/// # #[expect(clippy::disallowed_methods, reason = "an example")]
/// let now = Instant::now();
/// let budget = Budget::new(2).per_success(0.5).per_second(0.1);
/// assert!(budget.withdraw(now) && budget.withdraw(now) && !budget.withdraw(now));
/// budget.deposit(now);
/// budget.deposit(now);
/// assert!(budget.withdraw(now) && !budget.withdraw(now));
/// assert!(budget.withdraw(now + Duration::from_secs(10)));
/// ```
///
/// # By origin
///
/// One allowance for all requests stops retries to a healthy server when another one fails. [`per_origin`](Self::per_origin)
/// gives a bounded number of origins one each, and all the others one together. An origin has a place from its first retry on. It
/// loses the place to a newcomer only while its allowance is full, so that nothing is lost by forgetting it and nothing gained by
/// coming back; the newcomer takes the allowance over as it is. While no place is free, or in the instant in which another one
/// moves in, newcomers share the one that is left: nobody waits.
/// So names that somebody else makes up buy nobody more than `origins + 1` allowances, and the bound above holds for each of
/// them. A place costs 16 bytes; to find one is a hash of the host's name and a few loads.
#[derive(Clone)]
pub struct Budget {
    shared: Arc<Shared>,
}

struct Shared {
    rates: Rates,
    scale: rates::Scale,
    epoch: OnceLock<Instant>,
    /// The allowance of all requests, or of those whose origin has none of its own.
    common: Apart,
    origins: Option<Origins>,
}

/// An allowance in cache lines of its own: whoever reads what is beside it does not wait for those that write it.
#[repr(align(128))]
struct Apart(Bucket);

/// What a retry is for: retries after failures and after throttles may cost differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Price {
    Failure,
    Throttle,
}

impl Budget {
    /// A budget that starts full, with `capacity` retries, and gains nothing.
    pub fn new(capacity: u32) -> Self {
        let rates = Rates {
            capacity,
            per_success: 0.0,
            per_second: 0.0,
            throttle_cost: 1.0,
            connect_cost: CONNECT_COST,
        };
        Self::with(rates, None)
    }

    fn with(rates: Rates, origins: Option<u16>) -> Self {
        let scale = rates.scale();
        Self {
            shared: Arc::new(Shared {
                rates,
                scale,
                epoch: OnceLock::new(),
                common: Apart(Bucket::new(scale.full)),
                origins: origins.map(|count| Origins::new(count, scale.full)),
            }),
        }
    }

    fn again(&self, set: impl FnOnce(&mut Rates)) -> Self {
        let mut rates = self.shared.rates;
        set(&mut rates);
        let origins = self.shared.origins.as_ref().map(Origins::count);
        Self::with(rates, origins.map(|count| count as u16))
    }

    /// What each success adds, in retries. Makes a new, full budget.
    ///
    /// # Panics
    ///
    /// If `retries` is negative, infinite or not a number.
    #[must_use]
    pub fn per_success(self, retries: f64) -> Self {
        self.again(|rates| rates.per_success = checked(retries))
    }

    /// What each second adds, in retries. Makes a new, full budget.
    ///
    /// # Panics
    ///
    /// If `retries` is negative, infinite or not a number.
    #[must_use]
    pub fn per_second(self, retries: f64) -> Self {
        self.again(|rates| rates.per_second = checked(retries))
    }

    /// What the retry of a throttled request costs, in retries after other failures: 1 unless said otherwise. Makes a new,
    /// full budget.
    ///
    /// More than 1 spares a server that says that it has too much to do; less suits one that says when to come again, and is
    /// obeyed. With 0 such retries are bounded by the attempts of each call alone.
    ///
    /// # Panics
    ///
    /// If `retries` is negative, infinite or not a number.
    #[must_use]
    pub fn throttle_cost(self, retries: f64) -> Self {
        self.again(|rates| rates.throttle_cost = checked(retries))
    }

    /// What a retry costs that found no connection, in retries after other failures: 0.2 unless said otherwise, and never more than
    /// the retry itself. Makes a new, full budget.
    ///
    /// Such a retry has reached the network and not the server's own code: refused at once, it costs the other side next to nothing,
    /// and may be a whole handshake of TLS where that is what fails. With 0 it is free, as one is that never reached the network; a
    /// request to a server that is gone then dials as often as it has [attempts](crate::RetryLayer::attempts). With 1 an outage
    /// of connections is taken like any other.
    ///
    /// # Panics
    ///
    /// If `retries` is negative, infinite or not a number.
    #[must_use]
    pub fn connect_cost(self, retries: f64) -> Self {
        self.again(|rates| rates.connect_cost = checked(retries))
    }

    /// Gives an allowance of its own to each of `origins` origins at once, and one to all the others [together](#by-origin).
    /// Makes a new, full budget.
    #[must_use]
    pub fn per_origin(self, origins: u16) -> Self {
        Self::with(self.shared.rates, Some(origins))
    }

    /// Takes one retry out of it, or says that it is empty.
    ///
    /// Of a budget [by origin](Self::per_origin) this and the three below mean the allowance that origins share.
    pub fn withdraw(&self, now: Instant) -> bool {
        let scale = self.shared.scale;
        let now = self.elapsed(now);
        self.shared.common.0.withdraw(now, scale.cost, scale.full)
    }

    /// Adds what a success is worth.
    pub fn deposit(&self, now: Instant) {
        let scale = self.shared.scale;
        let now = self.elapsed(now);
        self.shared.common.0.add(now, scale.gain, scale.full);
    }

    /// Puts back one retry that was taken out and never left the process.
    pub fn refund(&self, now: Instant) {
        let scale = self.shared.scale;
        let now = self.elapsed(now);
        self.shared.common.0.add(now, scale.cost, scale.full);
    }

    /// How many retries it holds.
    pub fn balance(&self, now: Instant) -> f64 {
        self.retries_in(&self.shared.common.0, now)
    }

    /// How many retries it holds for requests to `origin`.
    pub fn balance_for(&self, origin: &Origin, now: Instant) -> f64 {
        let Some(origins) = &self.shared.origins else {
            return self.balance(now);
        };
        let key = origins.key_for(origin);
        let room = origins.find_room(key, self.elapsed(now), self.shared.scale.full);
        self.retries_in(self.bucket(room), now)
    }

    fn retries_in(&self, bucket: &Bucket, now: Instant) -> f64 {
        let scale = self.shared.scale;
        let held = bucket.held(self.elapsed(now), scale.full);
        held as f64 / scale.cost as f64
    }

    /// Takes a retry to the origin of `uri` out of it, or nothing where it holds too little.
    pub(crate) fn take(&self, uri: &Uri, price: Price, at: Instant) -> Option<Withdrawal> {
        let scale = self.shared.scale;
        let now = self.elapsed(at);
        let own = self
            .shared
            .origins
            .as_ref()
            .and_then(|origins| origins.find_or_move_in(origins.key_of(uri), now, scale.full));
        let amount = match price {
            Price::Failure => scale.cost,
            Price::Throttle => scale.throttle_cost,
        };
        let taken = self.bucket(own).withdraw(now, amount, scale.full);
        taken.then(|| Withdrawal::new(self.clone(), own, amount))
    }

    /// Adds what a success of a request to the origin of `uri` is worth.
    pub(crate) fn reward(&self, uri: &Uri, now: Instant) {
        let scale = self.shared.scale;
        let own = self.shared.origins.as_ref();
        let own = own.and_then(|origins| origins.find(origins.key_of(uri)));
        let now = self.elapsed(now);
        self.bucket(own).add(now, scale.gain, scale.full);
    }

    fn give_back(&self, own: Option<usize>, amount: i64, now: Instant) {
        let now = self.elapsed(now);
        self.bucket(own).add(now, amount, self.shared.scale.full);
    }

    /// The allowance at that place, or the one that is shared.
    fn bucket(&self, own: Option<usize>) -> &Bucket {
        let origins = self.shared.origins.as_ref();
        let own = own.and_then(|place| origins?.bucket(place));
        own.unwrap_or(&self.shared.common.0)
    }

    /// Takes one retry out of it though it may be empty: what is missing must come in before the next one.
    ///
    /// No more than its capacity is ever missing.
    pub(crate) fn charge(&self, now: Instant) {
        let scale = self.shared.scale;
        let now = self.elapsed(now);
        self.shared.common.0.charge(now, scale.cost, scale.full);
    }

    /// The budget's own time: nanoseconds since its first use.
    fn elapsed(&self, now: Instant) -> i64 {
        let epoch = *self.shared.epoch.get_or_init(|| now);
        if !self.shared.scale.flows {
            return 0;
        }
        let elapsed = now.saturating_duration_since(epoch);
        let longest = Duration::from_nanos(LONGEST.unsigned_abs());
        elapsed.min(longest).as_nanos() as i64
    }
}

fn checked(rate: f64) -> f64 {
    let is_rate = rate.is_finite() && rate >= 0.0;
    assert!(is_rate, "a rate of retries, but {rate}");
    rate
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(10).per_success(0.2).per_second(0.1)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rates {
            capacity,
            per_success,
            per_second,
            throttle_cost,
            connect_cost,
        } = self.shared.rates;
        f.debug_struct("Budget")
            .field("capacity", &capacity)
            .field("per_success", &per_success)
            .field("per_second", &per_second)
            .field("throttle_cost", &throttle_cost)
            .field("connect_cost", &connect_cost)
            .field("origins", &self.shared.origins)
            .finish_non_exhaustive()
    }
}
