//! What a request meets on its way: how long it takes, when the server counts it, and how it ends.

use std::time::Duration;

use fastrand::Rng;

/// Half of all answers are quicker.
const MEDIAN: Duration = Duration::from_millis(80);
/// One answer in a hundred is slower.
const P99: Duration = Duration::from_secs(1);
/// No answer is slower, and no request is counted later than this after it came. The client's grace must be longer, by what a
/// busy machine adds.
pub const LATEST: Duration = Duration::from_secs(2);
/// How far the 99th percentile of a normal distribution lies from its middle, in standard deviations.
const Z99: f64 = 2.326_347_874;

/// What one request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// From the request's arrival to the moment at which it is counted, or its connection breaks before.
    pub first: Duration,
    /// From there to the headers, or to the moment at which the connection breaks instead.
    pub then: Duration,
    /// Before each part of the body.
    pub part: Duration,
    /// How it ends.
    pub fate: Fate,
}

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// With an answer.
    Answered,
    /// The connection breaks before the server has counted the request, and it never does.
    LostUncounted,
    /// The connection breaks first, and the server counts the request all the same.
    LostCountedLate,
    /// The connection breaks after the server has counted the request, before its headers.
    LostCounted,
    /// The headers arrive, and a part of the body.
    Cut,
}

/// Where plans come from.
#[derive(Clone, Debug)]
pub struct Weather {
    dice: Rng,
    calm: bool,
}

impl Weather {
    /// Bad weather: one request in eight ends badly.
    #[must_use]
    pub fn bad(seed: u64) -> Self {
        Self {
            dice: Rng::with_seed(seed),
            calm: false,
        }
    }

    /// From now on there is no latency, and nothing breaks.
    pub fn calm_down(&mut self) {
        self.calm = true;
    }

    /// Draws what the next request meets.
    pub fn draw(&mut self) -> Plan {
        if self.calm {
            return Plan {
                first: Duration::ZERO,
                then: Duration::ZERO,
                part: Duration::ZERO,
                fate: Fate::Answered,
            };
        }
        let fate = match self.dice.u32(0..100) {
            0..2 => Fate::LostUncounted,
            2..5 => Fate::LostCountedLate,
            5..8 => Fate::LostCounted,
            8..12 => Fate::Cut,
            _ => Fate::Answered,
        };
        let whole = self.latency();
        let first = whole.mul_f64(self.dice.f64());
        let then = match fate {
            // The connection is gone already: this is how long the server takes to look.
            Fate::LostCountedLate => (LATEST - first).mul_f64(self.dice.f64()),
            _ => whole - first,
        };
        let part = Duration::from_millis(self.dice.u64(0..60));
        Plan {
            first,
            then,
            part,
            fate,
        }
    }

    /// A lognormal latency, by Box and Muller.
    fn latency(&mut self) -> Duration {
        let sigma = (P99.as_secs_f64() / MEDIAN.as_secs_f64()).ln() / Z99;
        // 1 − u keeps the logarithm's argument above zero.
        let radius = (-2.0 * (1.0 - self.dice.f64()).ln()).sqrt();
        let z = radius * (std::f64::consts::TAU * self.dice.f64()).cos();
        MEDIAN.mul_f64((sigma * z).exp()).min(LATEST)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn bad_weather_has_every_fate_and_a_fat_tail_that_ends() {
        let mut weather = Weather::bad(7);
        let plans: Vec<Plan> = (0..10_000).map(|_| weather.draw()).collect();
        let mut fates = BTreeMap::<Fate, u32>::new();
        for plan in &plans {
            *fates.entry(plan.fate).or_default() += 1;
            assert!(plan.first + plan.then <= LATEST, "{plan:?}");
        }
        assert_eq!(fates.len(), 5);
        assert!(fates.values().all(|&times| times > 100), "{fates:?}");
        let answered = plans.iter().filter(|plan| plan.fate == Fate::Answered);
        let mut whole: Vec<_> = answered.map(|plan| plan.first + plan.then).collect();
        whole.sort_unstable();
        let median = whole[whole.len() / 2];
        assert!(median.abs_diff(MEDIAN) < MEDIAN / 10, "{median:?}");
        assert_eq!(whole.last(), Some(&LATEST));
    }

    #[test]
    fn in_calm_weather_every_request_is_answered_at_once() {
        let mut weather = Weather::bad(7);
        weather.calm_down();
        for _ in 0..100 {
            let plan = weather.draw();
            assert_eq!(plan.fate, Fate::Answered);
            assert_eq!(plan.first + plan.then + plan.part, Duration::ZERO);
        }
    }
}
