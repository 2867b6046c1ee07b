//! Which runtime it is that polls.

/// Tells the runtimes apart that are there at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Runtime(pub(crate) u64);

#[cfg(not(loom))]
impl Runtime {
    /// The one that polls now, if one does.
    pub(crate) fn current() -> Option<Self> {
        let handle = tokio::runtime::Handle::try_current().ok()?;
        let mut number = Number(0);
        std::hash::Hash::hash(&handle.id(), &mut number);
        Some(Self(number.0))
    }
}

/// Reads the number out of tokio's opaque id, which is one: so the book need not know of tokio.
#[cfg(not(loom))]
struct Number(u64);

#[cfg(not(loom))]
impl std::hash::Hasher for Number {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn two_runtimes_are_told_apart_and_none_is_none() {
        assert_eq!(Runtime::current(), None);
        let runtimes = [0, 1].map(|_| {
            tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime")
        });
        let [first, second] = runtimes.each_ref().map(|runtime| {
            let of = || runtime.block_on(async { Runtime::current().expect("it polls") });
            assert_eq!(of(), of());
            of()
        });
        assert_ne!(first, second);
    }
}
