//! How long the machine has been up: the one clock that processes share and nobody sets.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::record::Fingerprint;
use crate::Secret;

/// A moment since a start of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SinceBoot {
    /// Which start.
    pub(super) boot: Fingerprint,
    pub(super) at: Duration,
}

/// The clock that counts from the machine's start, also while it sleeps.
#[derive(Clone, Default)]
pub(super) struct BootClock {
    replaced: Option<(Fingerprint, Arc<dyn Fn() -> Duration + Send + Sync>)>,
}

impl BootClock {
    pub(super) fn with(boot: &str, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self {
            replaced: Some((fingerprint(boot), Arc::new(now))),
        }
    }

    /// `None` where this machine has no such clock, or none that is known here.
    pub(super) fn now(&self) -> Option<SinceBoot> {
        match &self.replaced {
            Some((boot, now)) => Some(SinceBoot {
                boot: *boot,
                at: now(),
            }),
            None => Some(SinceBoot {
                boot: (*this_boot())?,
                at: since_boot()?,
            }),
        }
    }
}

fn fingerprint(boot: &str) -> Fingerprint {
    Fingerprint::of(&Secret::from(boot))
}

fn this_boot() -> &'static Option<Fingerprint> {
    static BOOT: OnceLock<Option<Fingerprint>> = OnceLock::new();
    BOOT.get_or_init(|| {
        // The kernel makes one up at each start.
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        (!id.trim().is_empty()).then(|| fingerprint(id.trim()))
    })
}

#[cfg(all(target_os = "linux", feature = "file-store"))]
fn since_boot() -> Option<Duration> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).ok()?;
    Some(Duration::new(seconds, u32::try_from(now.tv_nsec).ok()?))
}

#[cfg(not(all(target_os = "linux", feature = "file-store")))]
fn since_boot() -> Option<Duration> {
    None
}

impl fmt::Debug for BootClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BootClock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(target_os = "linux", feature = "file-store"))]
    #[test]
    fn two_looks_at_the_clock_are_of_one_start_and_in_order() {
        let clock = BootClock::default();
        let first = clock.now().expect("Linux has one");
        let second = clock.now().expect("Linux has one");
        assert_eq!(first.boot, second.boot);
        assert!(first.at > Duration::ZERO && first.at <= second.at);
    }

    #[test]
    fn one_start_is_told_from_another_by_its_name() {
        let clock = |boot| BootClock::with(boot, || Duration::from_secs(5)).now();
        assert_eq!(clock("a"), clock("a"));
        assert_ne!(clock("a"), clock("b"));
        assert_eq!(clock("a").map(|now| now.at), Some(Duration::from_secs(5)));
    }
}
