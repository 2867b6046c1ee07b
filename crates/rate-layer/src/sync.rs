//! The locks of a window: `parking_lot`'s and `spinning_top`'s, or loom's where the model runs.

#[cfg(not(loom))]
use std::thread;
#[cfg(not(loom))]
use std::time::Duration;

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[cfg(not(loom))]
pub(crate) use parking_lot::{Mutex, MutexGuard};

/// A lock for a few instructions: to let go of it is a plain store, where a mutex has to look for sleepers. Who holds it for longer,
/// to settle a purse, has the book's lock in hand, for which others sleep; and nobody's code is called with it.
#[cfg(not(loom))]
pub(crate) use spinning_top::{Spinlock, guard::SpinlockGuard};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[cfg(loom)]
pub(crate) use self::model::{Mutex, MutexGuard, Spinlock, SpinlockGuard};

/// How often one looks whether the lock is free before it goes to sleep.
#[cfg(not(loom))]
const LOOKS: u32 = 64;

/// Takes the lock.
#[cfg(not(loom))]
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.try_lock().unwrap_or_else(|| lock_soon(mutex))
}

#[cfg(not(loom))]
#[cold]
fn lock_soon<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    for _ in 0..LOOKS {
        if !mutex.is_locked()
            && let Some(guard) = mutex.try_lock()
        {
            return guard;
        }
        std::hint::spin_loop();
    }
    mutex.lock()
}

/// How often one looks at a spinlock, and lets others run, before it is taken that its holder cannot.
#[cfg(not(loom))]
const YIELDS: u32 = 16;

/// How long one sleeps then: a holder of lower priority gets to run.
#[cfg(not(loom))]
const NAP: Duration = Duration::from_micros(50);

/// Takes the lock if it is free, or is so soon.
#[cfg(not(loom))]
#[inline]
pub(crate) fn try_spin<T>(spinlock: &Spinlock<T>) -> Option<SpinlockGuard<'_, T>> {
    spinlock.try_lock().or_else(|| try_spin_soon(spinlock))
}

#[cfg(not(loom))]
#[cold]
fn try_spin_soon<T>(spinlock: &Spinlock<T>) -> Option<SpinlockGuard<'_, T>> {
    for _ in 0..LOOKS {
        if !spinlock.is_locked()
            && let Some(guard) = spinlock.try_lock()
        {
            return Some(guard);
        }
        std::hint::spin_loop();
    }
    None
}

/// Takes the lock.
#[cfg(not(loom))]
#[inline]
pub(crate) fn spin<T>(spinlock: &Spinlock<T>) -> SpinlockGuard<'_, T> {
    try_spin(spinlock).unwrap_or_else(|| spin_on(spinlock))
}

/// The same where the holder does not run at the moment.
#[cfg(not(loom))]
#[cold]
fn spin_on<T>(spinlock: &Spinlock<T>) -> SpinlockGuard<'_, T> {
    let mut yields = 0;
    loop {
        if yields < YIELDS {
            yields += 1;
            thread::yield_now();
        } else {
            #[expect(
                clippy::disallowed_methods,
                reason = "no clock goes by it, and there is nobody to wake"
            )]
            thread::sleep(NAP);
        }
        if let Some(guard) = try_spin(spinlock) {
            return guard;
        }
    }
}

#[cfg(loom)]
pub(crate) fn try_spin<T>(spinlock: &Spinlock<T>) -> Option<SpinlockGuard<'_, T>> {
    spinlock.try_lock()
}

#[cfg(loom)]
pub(crate) fn spin<T>(spinlock: &Spinlock<T>) -> SpinlockGuard<'_, T> {
    spinlock.lock()
}

#[cfg(loom)]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

#[cfg(loom)]
mod model {
    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::MutexGuard as SpinlockGuard;

    pub(crate) use self::Mutex as Spinlock;

    /// Loom's mutex with `parking_lot`'s face.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no thread panics with the lock")
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }
}
