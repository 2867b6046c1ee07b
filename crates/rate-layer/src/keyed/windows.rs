//! The windows of all keys of a kind.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::book::keys::Keys;
use crate::domain::Domain;
use crate::error::RateError;
use crate::keyed::key::Key;
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
    /// The handle does not keep the key from being forgotten. As long as it is, the handle reads as an idle window, and changes
    /// nothing; a request that is to be counted there has the window made anew. What was changed is forgotten with the key:
    /// a limit that has been [set](Window::set_limit) holds until then.
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
            Ok(_) => Ok(Window::of_key(&self.domain, self.group, &key, &self.quotas)),
            Err(denied) => Err(RateError::would_wait(denied, now, 1)),
        }
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
