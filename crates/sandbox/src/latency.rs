//! Random durations, as a fault wants them.

use std::{error::Error, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// No sample is longer than this, whatever the tail of a distribution says.
const LONGEST: Duration = Duration::from_secs(60);

/// How far the 99th percentile of a normal distribution lies from its middle, in standard deviations.
const Z99: f64 = 2.326_347_874;

/// A distribution of durations.
///
/// Written `0`, `80ms` (always), `20ms..200ms` (uniform) or `80ms/1500ms` (lognormal: median and 99th percentile), in
/// flags and in JSON alike. Units are `us`, `ms`, `s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Latency {
    /// No time at all.
    #[default]
    None,
    /// Always the same.
    Fixed(Duration),
    /// Anything between the two, equally likely.
    Uniform(Duration, Duration),
    /// The long tail of a network.
    LogNormal {
        /// Half of the samples are shorter.
        median: Duration,
        /// One sample in a hundred is longer.
        p99: Duration,
    },
}

impl Latency {
    /// Draws one duration, at most a minute.
    pub(crate) fn sample(&self, dice: &mut fastrand::Rng) -> Duration {
        let drawn = match *self {
            Self::None => return Duration::ZERO,
            Self::Fixed(always) => always,
            Self::Uniform(low, high) => low + high.saturating_sub(low).mul_f64(dice.f64()),
            Self::LogNormal { median, p99 } => {
                let sigma = (p99.as_secs_f64() / median.as_secs_f64()).ln() / Z99;
                // Box and Muller; 1 − u keeps the logarithm's argument above zero.
                let z = (-2.0 * (1.0 - dice.f64()).ln()).sqrt()
                    * (std::f64::consts::TAU * dice.f64()).cos();
                let seconds = median.as_secs_f64() * (sigma * z).exp();
                Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST)
            }
        };
        drawn.min(LONGEST)
    }

    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// A text that is no duration and no distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseLatencyError {
    text: String,
}

impl fmt::Display for ParseLatencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a latency: write 80ms, 20ms..200ms, or 80ms/1500ms (median/99th percentile)",
            self.text
        )
    }
}

impl Error for ParseLatencyError {}

/// Reads `1500ms`, `1.5s`, `20us` or `0`.
///
/// # Errors
///
/// Text without a number or with another unit.
pub fn parse_duration(text: &str) -> Result<Duration, ParseLatencyError> {
    let wrong = || ParseLatencyError { text: text.into() };
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit.trim() {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86_400.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

impl FromStr for Latency {
    type Err = ParseLatencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseLatencyError { text: text.into() };
        let part = |part: &str| parse_duration(part).map_err(|_| wrong());
        if let Some((low, high)) = text.split_once("..") {
            let (low, high) = (part(low)?, part(high)?);
            return (low <= high)
                .then_some(Self::Uniform(low, high))
                .ok_or_else(wrong);
        }
        if let Some((median, p99)) = text.split_once('/') {
            let (median, p99) = (part(median)?, part(p99)?);
            return (Duration::ZERO < median && median <= p99)
                .then_some(Self::LogNormal { median, p99 })
                .ok_or_else(wrong);
        }
        Ok(match part(text)? {
            Duration::ZERO => Self::None,
            always => Self::Fixed(always),
        })
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |d: &Duration| format!("{}us", d.as_micros());
        match self {
            Self::None => f.write_str("0"),
            Self::Fixed(always) => f.write_str(&us(always)),
            Self::Uniform(low, high) => write!(f, "{}..{}", us(low), us(high)),
            Self::LogNormal { median, p99 } => write!(f, "{}/{}", us(median), us(p99)),
        }
    }
}

impl TryFrom<String> for Latency {
    type Error = ParseLatencyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Latency> for String {
    fn from(latency: Latency) -> Self {
        latency.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read_and_written_back() {
        let ms = Duration::from_millis;
        let rows = [
            ("0", Latency::None),
            ("0ms", Latency::None),
            ("80ms", Latency::Fixed(ms(80))),
            ("1.5s", Latency::Fixed(ms(1500))),
            ("20ms..200ms", Latency::Uniform(ms(20), ms(200))),
            (
                "80ms/1500ms",
                Latency::LogNormal {
                    median: ms(80),
                    p99: ms(1500),
                },
            ),
        ];
        for (text, latency) in rows {
            assert_eq!(text.parse(), Ok(latency), "{text}");
            assert_eq!(latency.to_string().parse(), Ok(latency), "{text}");
        }
    }

    #[test]
    fn what_is_no_latency_is_refused_by_name() {
        for text in [
            "", "80", "soon", "-1ms", "2ms..1ms", "0/5ms", "9ms/8ms", "1e3ms", "1.2.3s",
        ] {
            let error = text.parse::<Latency>().expect_err(text);
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("`{text}` is not a latency")),
                "{error}"
            );
        }
    }

    #[test]
    fn half_of_the_samples_lie_below_the_median_and_one_in_a_hundred_above_the_99th_percentile() {
        let latency: Latency = "80ms/1500ms".parse().expect("a latency");
        let mut dice = fastrand::Rng::with_seed(1);
        let samples: Vec<_> = (0..20_000).map(|_| latency.sample(&mut dice)).collect();
        let share =
            |limit| samples.iter().filter(|&&sample| sample < limit).count() as f64 / 20_000.0;
        assert!((share(Duration::from_millis(80)) - 0.5).abs() < 0.02);
        assert!((share(Duration::from_millis(1500)) - 0.99).abs() < 0.005);
        assert!(samples.iter().all(|&sample| sample <= LONGEST));
    }
}
