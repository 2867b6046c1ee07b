//! The windows of all keys of a kind.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use crate::book::keys::Keys;
use crate::domain::Domain;
use crate::error::RateError;
use crate::keyed::key::Key;
use crate::place::Place;
use crate::quota::Quotas;
use crate::window::{Name, Window};

/// For how many keys there are windows, unless another number is given.
pub(super) const MOST: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");
/// How long a key is kept that nobody asks for, unless another time is given.
pub(super) const IDLE: Duration = Duration::from_secs(600);

/// A window for each key, made when the key is first met. Cloning gives another handle to the same ones.
///
/// See [`Keyed`](crate::Keyed) for the bounds.
#[derive(Clone, Debug)]
pub struct Windows {
    domain: Arc<Domain>,
    group: u32,
    quotas: Arc<Quotas>,
}

impl Windows {
    /// Makes windows by `quotas`: for 100 000 keys at the most, each kept for 10 minutes after its last use.
    pub fn new(quotas: impl Into<Quotas>) -> Self {
        Self::bounded(quotas, MOST, IDLE)
    }

    /// Makes windows by `quotas`, for so many keys at the most, each kept for so long after its last use.
    pub fn bounded(quotas: impl Into<Quotas>, most: NonZeroUsize, idle: Duration) -> Self {
        Self::open(&Domain::new(), quotas.into(), most, idle)
    }

    pub(crate) fn open(
        domain: &Arc<Domain>,
        quotas: Quotas,
        most: NonZeroUsize,
        idle: Duration,
    ) -> Self {
        let keys = Keys::new(most.get(), idle);
        let group = domain.book.with(|book, _| book.open_keyed(&quotas, keys));
        Self {
            domain: Arc::clone(domain),
            group,
            quotas: Arc::new(quotas),
        }
    }

    /// The window of `key`, made where there is none: to read it, or to change it.
    ///
    /// The handle does not keep the key from being forgotten; a limit that is [set](Window::set_limit) by it does. Once it is, the
    /// handle reads as an idle window; what changes it, or takes a place in it, makes it anew, with the limit that it had at
    /// first. Where there is no room for another key, what was to be changed says so.
    ///
    /// # Errors
    ///
    /// [`TooManyKeys`](crate::RateErrorKind::TooManyKeys).
    pub fn window<'a>(&self, key: impl Into<Key<'a>>) -> Result<Window, RateError> {
        let key = key.into();
        let now = self.domain.clock.now();
        let found = self
            .domain
            .book
            .with(|book, _| book.window_of(now, self.group, key.as_bytes(), &[]));
        match found {
            Ok(_) => {
                let name = Name::Key(self.group, key.as_bytes().into());
                Ok(Window::named(&self.domain, name, &self.quotas))
            }
            Err(denied) => Err(RateError::would_wait(denied, now, 1)),
        }
    }

    /// Takes `cost` places of `key`'s window if they are free and nobody waits for them, as
    /// [`Window::try_admit`] does.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use rate_layer::{MINUTE, Quota, Windows};
    ///
    /// let accounts = Windows::new(Quota::rolling(1, MINUTE));
    /// let place = accounts.try_admit("a-1", NonZeroU32::MIN)?;
    /// place.answered();
    /// assert!(accounts.try_admit("a-1", NonZeroU32::MIN).is_err());
    /// assert!(accounts.try_admit("a-2", NonZeroU32::MIN).is_ok());
    /// # Ok::<(), rate_layer::RateError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Window::try_admit`], and [`TooManyKeys`](crate::RateErrorKind::TooManyKeys).
    pub fn try_admit<'a>(
        &self,
        key: impl Into<Key<'a>>,
        cost: NonZeroU32,
    ) -> Result<Place, RateError> {
        let key = key.into();
        Place::admit_by_key(&self.domain, self.group, key.as_bytes(), cost.get())
    }

    /// Makes a window which a request can take a place in *together* with one in the window of its key; see
    /// [`Window::beside`].
    pub fn beside(&self, quotas: impl Into<Quotas>) -> Window {
        Window::open(&self.domain, quotas.into())
    }

    /// For how many keys there is a window now.
    pub fn len(&self) -> usize {
        self.domain.book.with(|book, _| book.keys(self.group))
    }

    /// Whether no key has a window.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the windows were made for.
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    pub(crate) fn domain(&self) -> &Arc<Domain> {
        &self.domain
    }

    pub(crate) fn group(&self) -> u32 {
        self.group
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::quota::{MINUTE, Quota};

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn one_key() -> Windows {
        let most = NonZeroUsize::MIN;
        Windows::bounded(Quota::rolling(1, MINUTE), most, MINUTE)
    }

    #[tokio::test(start_paused = true)]
    async fn a_handle_to_a_key_that_was_forgotten_takes_places_of_that_key_and_no_other() {
        let windows = one_key();
        let first = windows.window("first").expect("room");
        let second = windows.window("second").expect("the first is idle");
        assert_eq!(first.snapshot().used, 0);
        let place = first.try_admit(ONE).expect("room again");
        assert_eq!(second.snapshot().in_flight, 0);
        let error = second.try_admit(ONE).expect_err("the first counts");
        assert!(error.to_string().contains("key"), "{error}");
        place.give_back();
        second.pause();
        assert!(second.snapshot().paused && !first.snapshot().paused);
    }

    #[tokio::test(start_paused = true)]
    async fn no_key_prints() {
        let windows = one_key();
        let window = windows.window("sk_live_1").expect("room");
        let place = window.try_admit(ONE).expect("room");
        let bytes = format!("{:?}", b"sk_live_1");
        let inner = bytes.trim_matches(['[', ']']);
        for printed in [
            format!("{windows:?}"),
            format!("{window:?}"),
            format!("{place:?}"),
        ] {
            assert!(!printed.contains("sk_live_1"), "{printed}");
            assert!(!printed.contains(inner), "{printed}");
        }
    }
}
