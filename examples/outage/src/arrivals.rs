//! When requests arrive: at a rate that does not care how the earlier ones fare.

use std::time::Duration;

use fastrand::Rng;

use crate::load::LENGTH;

/// The moments at which requests arrive, in order: `rps` in each second, over the whole run.
///
/// A second is cut into `rps` equal parts, and in each of them one request arrives, at a uniformly random moment of it. So the
/// number of requests is exact, and no two policies meet another one.
pub fn arrivals(rps: u32, mut rng: Rng) -> impl Iterator<Item = Duration> {
    let part = Duration::from_secs(1) / rps;
    let parts = LENGTH.as_secs() * u64::from(rps);
    (0..parts).map(move |index| {
        let (second, rest) = (index / u64::from(rps), index % u64::from(rps));
        let begins = Duration::from_secs(second) + part.mul_f64(rest as f64);
        begins + part.mul_f64(rng.f64())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_as_many_as_the_rate_says_and_they_are_in_order() {
        for rps in [1, 3, 1000] {
            let all: Vec<_> = arrivals(rps, Rng::with_seed(7)).collect();
            assert!(all.is_sorted());
            for second in 0..LENGTH.as_secs() {
                let count = all.iter().filter(|at| at.as_secs() == second).count();
                assert_eq!(count, rps as usize, "{rps} a second, second {second}");
            }
        }
    }

    #[test]
    fn the_moments_are_those_of_the_seed() {
        let all = |seed| arrivals(3, Rng::with_seed(seed)).collect::<Vec<_>>();
        assert_eq!(all(7), all(7));
        assert_ne!(all(7), all(8));
    }
}
