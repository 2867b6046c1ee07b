//! What the server allows, and how far its counting is trusted.

mod several;
mod start;

use std::time::Duration;

pub use self::several::{Quotas, Tier};
pub use self::start::Start;

/// One second.
pub const SECOND: Duration = Duration::from_secs(1);
/// One minute.
pub const MINUTE: Duration = Duration::from_secs(60);

/// How many requests the server allows in any window of a length, and what is assumed about its counting.
///
/// ```
/// use rate_layer::{MINUTE, Quota, SECOND};
///
/// // 100 in any 60 seconds, at a server that stamps in whole seconds.
/// const TORQUE: Quota = Quota::rolling(100, MINUTE).tick(SECOND);
/// assert_eq!(TORQUE.limit(), 100);
/// ```
///
/// # What the promise rests on
///
/// Never more than the limit in any window, provided that
///
/// - nobody else uses the same key;
/// - nothing below the layer repeats or redirects requests: a client that follows redirects by itself sends requests that
///   nobody counted;
/// - the server counts a request between its departure and its response's headers; for one that counts later, at the
///   end of the body say, raise [`settle`](Self::settle);
/// - it stamps requests finer than [`tick`](Self::tick), 0 by default;
/// - its clock and ours run at the same *rate*, within the [`margin`](Self::margin). Their offset does not matter, steps
///   of the server's clock do;
/// - a request that the caller gave up, or whose answer was lost, is counted within the [`grace`](Self::grace);
/// - the server's window was as empty at the start as [`start`](Self::start) says: a program that restarts has forgotten
///   what the server still counts.
///
/// # Which shape a server has
///
/// A limit that holds for any window also holds for clock-aligned windows and for a token bucket with a burst of the same
/// size: where you do not know, [`rolling`](Self::rolling) is the safe choice. The wrong one of the others draws 429s:
///
/// | the server | say | why not something else |
/// | --- | --- | --- |
/// | counts the requests of the last minute | [`Quota::rolling`] | |
/// | counts from zero at each full minute of its clock | [`Quota::aligned`], or `rolling` | `aligned` lets up to twice the limit pass within one rolling minute |
/// | refills a bucket steadily, burst as large as the limit | `rolling` | a [`Pace`](crate::Pace) alone knows nothing of latency |
/// | refills a bucket steadily, with a smaller burst | `rolling`, [`and`](Self::and) a [`Pace`](crate::Pace) with that burst | a window lets the whole limit go at once |
/// | weighs two counters to guess the last minute | `rolling`, [`and`](Self::and) a [`Pace`](crate::Pace) without a burst | the guess assumes that requests are spread evenly |
/// | stamps in whole seconds | `rolling` with [`tick`](Self::tick) | |
/// | counts at the end of a response | `rolling` with [`settle`](Self::settle) | |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    limit: u32,
    window: Duration,
    margin: Duration,
    settle: Duration,
    tick: Duration,
    grace: Duration,
    counted_within: Option<Duration>,
    start: Start,
    alignment: Alignment,
    reserve: u32,
    adopt_up_to: u32,
}

/// Where a window begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alignment {
    /// Anywhere.
    None,
    /// At the full multiples of its length, by the server's clock.
    Clock,
}

impl Quota {
    /// Allows `limit` requests in any `window`.
    ///
    /// The margin is the larger of 10 ms and a thousandth of `window`, the grace 10 s; `settle` and `tick` are 0, and the
    /// window starts empty.
    ///
    /// # Panics
    ///
    /// If `limit` or `window` is zero; in a `const` that is an error of the compiler.
    #[must_use]
    pub const fn rolling(limit: u32, window: Duration) -> Self {
        assert!(limit > 0, "a limit of 0 would admit nothing, ever");
        assert!(!window.is_zero(), "a window must last longer than 0");
        let thousandth = match window.checked_div(1000) {
            Some(thousandth) => thousandth,
            None => Duration::ZERO,
        };
        let least = Duration::from_millis(10);
        let margin = if thousandth.as_nanos() > least.as_nanos() {
            thousandth
        } else {
            least
        };
        Self {
            limit,
            window,
            margin,
            settle: Duration::ZERO,
            tick: Duration::ZERO,
            grace: Duration::from_secs(10),
            counted_within: None,
            start: Start::Empty,
            alignment: Alignment::None,
            reserve: 0,
            adopt_up_to: 0,
        }
    }

    /// Allows `limit` requests in each `window` of the server's clock, such as each full minute.
    ///
    /// Windows begin at the multiples of their length since the Unix epoch. Where those lie by our clock is learned from the
    /// `Date` of the responses, which [`RateLayer`](crate::RateLayer) reads; a request that may have been counted in either of two
    /// windows holds its place through the second. Until enough is known, a place is held for a whole window, as in a
    /// [`rolling`](Self::rolling) one.
    ///
    /// Each window learns the clock of its own server; of [`Keyed`](crate::Keyed) ones, each key's: hosts may differ. What is learned of a
    /// key's server is forgotten with the key.
    ///
    /// Choose it only where the server is known to count so: otherwise it draws 429s.
    ///
    /// # Panics
    ///
    /// If `limit` or `window` is zero; in a `const` that is an error of the compiler.
    #[must_use]
    pub const fn aligned(limit: u32, window: Duration) -> Self {
        let mut quota = Self::rolling(limit, window);
        quota.alignment = Alignment::Clock;
        quota
    }

    /// Holds requests to `other` as well: each takes places in both, or waits.
    ///
    /// ```
    /// use rate_layer::{MINUTE, Quota, SECOND};
    ///
    /// let quota = Quota::rolling(10, SECOND).and(Quota::rolling(100, MINUTE));
    /// # let _ = quota;
    /// ```
    #[must_use]
    pub fn and(self, other: impl Into<Quotas>) -> Quotas {
        Quotas::from(self).and(other)
    }

    /// Reserves `places` for the requests that [go first](crate::RateLayer::first).
    ///
    /// The others may use the rest, which is one place at least. 0 by default: what goes first then only overtakes. Without
    /// [`first`](crate::RateLayer::first) or [`first_if`](crate::RateLayer::first_if), in this layer or in another one that shares
    /// the window, nobody can use the reserve.
    ///
    /// Of several windows each has its own; in one without, those that go first only overtake.
    ///
    /// ```
    /// use rate_layer::{MINUTE, Quota, RateLayer, SECOND};
    ///
    /// let quota = Quota::rolling(10, SECOND).reserve(2).and(Quota::rolling(100, MINUTE).reserve(20));
    /// let layer = RateLayer::new(quota).first_if(|head| head.uri().path() == "/orders");
    /// # let _ = layer;
    /// ```
    ///
    /// # Panics
    ///
    /// If it leaves nothing for the others; in a `const` that is an error of the compiler.
    #[must_use]
    pub const fn reserve(mut self, places: u32) -> Self {
        assert!(
            places < self.limit,
            "a reserve must be less than the limit: it leaves a place for the rest"
        );
        self.reserve = places;
        self
    }

    /// Adopts a limit that the server states for this window, up to `ceiling`, higher or lower than the present one; not at all
    /// by default.
    ///
    /// For servers that change the limit of a key while it is in use, and say so: needs a layer that
    /// [listens](crate::RateLayer::listen), and one that does not is refused. Requests that wait keep their places in line. What an older request
    /// was told does not undo what a newer one was.
    ///
    /// Where [several windows](Self::and) hold and the server does not say which one it means, as `X-RateLimit-Limit` does not, say it in
    /// its place: `.listen(XRateLimit::new().window(MINUTE))`.
    ///
    /// # Panics
    ///
    /// If `ceiling` is less than the limit; in a `const` that is an error of the compiler.
    #[must_use]
    pub const fn adopt_up_to(mut self, ceiling: u32) -> Self {
        assert!(
            ceiling >= self.limit,
            "a ceiling below the limit would lower it at the first answer: begin with a lower limit"
        );
        self.adopt_up_to = ceiling;
        self
    }

    /// Keeps each place this much longer than the window: for clocks that differ in rate.
    ///
    /// A server's clock may run fast by the ratio of the margin and the window, and slow by that of the margin and both together. NTP daemons slew by up to 500 ppm as a
    /// rule, some by 8 %. A server of several nodes wants their clocks' differences in the margin as well.
    #[must_use]
    pub const fn margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// States how long after the response headers the server may still count the request; 0 by default.
    #[must_use]
    pub const fn settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// States how coarse the server's stamps are, such as whole seconds; 0 by default.
    #[must_use]
    pub const fn tick(mut self, tick: Duration) -> Self {
        self.tick = tick;
        self
    }

    /// States how long after a request was given up the server may still count it; 10 s by default.
    ///
    /// It holds for every request that departed and brought no headers: dropped, failed or timed out. A busy server was
    /// seen to read a request 14 s after its sender had given up.
    ///
    /// With a window of seconds the grace is most of what an abandoned request costs: 10 s more than a window of one second. Where the
    /// server is known to be quick, or a 429 now and then does little harm, lower it, to a second or so.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// States how long after departure the server has counted at the latest, however late its headers are.
    ///
    /// For long polls: a place's minute then starts no later than this after departure, instead of with the headers.
    /// Count in the time in which the client below may hold a request back, such as for a connection or a free HTTP/2
    /// stream. Not set by default.
    ///
    /// # Panics
    ///
    /// Where the window is [`aligned`](Self::aligned), whose places are short-lived as they are.
    #[must_use]
    pub const fn counted_within(mut self, latest: Duration) -> Self {
        assert!(
            matches!(self.alignment, Alignment::None),
            "an aligned window knows when its places free: leave `counted_within` out"
        );
        self.counted_within = Some(latest);
        self
    }

    /// States what the server has counted already when the window is made; nothing by default.
    #[must_use]
    pub const fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// How many places there are.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// How long the server's window is.
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// How long a place stays taken once the server has counted: window, margin, settle and tick.
    pub const fn hold(&self) -> Duration {
        self.window
            .saturating_add(self.margin)
            .saturating_add(self.settle)
            .saturating_add(self.tick)
    }

    pub(crate) fn after_abandonment(&self) -> Duration {
        self.hold().saturating_add(self.grace)
    }

    pub(crate) fn after_departure(&self) -> Option<Duration> {
        self.counted_within
            .map(|latest| latest.saturating_add(self.hold()))
    }

    pub(crate) fn starts(&self) -> Start {
        self.start
    }

    pub(crate) fn alignment(&self) -> Alignment {
        self.alignment
    }

    pub(crate) fn is_aligned(&self) -> bool {
        self.alignment == Alignment::Clock
    }

    pub(crate) fn reserved(&self) -> u32 {
        self.reserve
    }

    pub(crate) fn ceiling(&self) -> u32 {
        self.adopt_up_to
    }

    /// By how much the server may count later than the moment at which it is known to have counted, or stamp later.
    pub(crate) fn counting_lag(&self) -> Duration {
        self.settle.saturating_add(self.tick)
    }

    pub(crate) fn clock_margin(&self) -> Duration {
        self.margin
    }

    pub(crate) fn abandonment_grace(&self) -> Duration {
        self.grace
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_the_larger_of_10_ms_and_a_thousandth() {
        for (window, margin) in [
            (Duration::from_millis(1), Duration::from_millis(10)),
            (SECOND, Duration::from_millis(10)),
            (Duration::from_secs(10), Duration::from_millis(10)),
            (MINUTE, Duration::from_millis(60)),
            (
                Duration::from_millis(3_600_500),
                Duration::from_micros(3_600_500),
            ),
            (Duration::from_secs(86_400), Duration::from_millis(86_400)),
        ] {
            assert_eq!(
                Quota::rolling(1, window).hold(),
                window + margin,
                "{window:?}"
            );
        }
    }

    #[test]
    fn each_allowance_keeps_places_longer() {
        const QUOTA: Quota = Quota::rolling(10, MINUTE)
            .margin(Duration::from_millis(100))
            .settle(SECOND)
            .tick(Duration::from_secs(2))
            .grace(Duration::from_secs(5));
        assert_eq!(QUOTA.hold(), Duration::from_millis(63_100));
        assert_eq!(QUOTA.after_abandonment(), Duration::from_millis(68_100));
    }

    #[test]
    #[should_panic(expected = "a limit of 0 would admit nothing, ever")]
    fn a_limit_of_zero_is_refused() {
        let _ = Quota::rolling(0, MINUTE);
    }

    #[test]
    #[should_panic(expected = "a window must last longer than 0")]
    fn a_window_of_zero_is_refused() {
        let _ = Quota::rolling(1, Duration::ZERO);
    }
}
