//! The windows of all keys of a kind.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use crate::book::keys::Keys;
use crate::book::waiter::{Claim, Claims};
use crate::domain::Domain;
use crate::error::RateError;
use crate::keyed::key::Key;
use crate::lane::Lane;
use crate::place::Place;
use crate::quota::Quotas;
use crate::window::Window;

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
    /// The handle does not keep the key from being forgotten. Once it is, the handle reads as an idle window, and
    /// changes nothing.
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
            .with(|book, _| book.window_of(now, self.group, key.as_bytes()));
        match found {
            Ok(id) => Ok(Window::at(&self.domain, id, &self.quotas)),
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
        let (key, cost) = (key.into(), cost.get());
        let now = self.domain.clock.now();
        let admitted = self.domain.book.with(|book, wakes| {
            let id = book.window_of(now, self.group, key.as_bytes())?;
            let mut claims = Claims::from_buf([Claim::new(id, cost)]);
            book.admit(now, &mut claims, Lane::Rest, wakes)?;
            Ok((claims, book.admissions()))
        });
        match admitted {
            Ok((claims, admission)) => {
                let domain = Arc::clone(&self.domain);
                Ok(Place::new(domain, claims, Lane::Rest, admission))
            }
            Err(denied) => Err(RateError::would_wait(denied, now, cost)),
        }
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
