//! The one lock of a window: `parking_lot`'s, or loom's where the model runs.

#[cfg(not(loom))]
pub(crate) use parking_lot::Mutex;

#[cfg(loom)]
pub(crate) use self::model::Mutex;

#[cfg(loom)]
mod model {
    use loom::sync::MutexGuard;

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
    }
}
