//! A window for each key, made when the key is first met.

pub mod key;
mod windows;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

pub use self::key::Key;
pub use self::windows::Windows;
use crate::domain::Domain;
use crate::head::RequestHead;
use crate::quota::Quotas;

const MADE: &str = "shared windows have their bounds already: give them to `Windows::bounded`";

type KeyFn = dyn for<'a> Fn(&RequestHead<'a>) -> Option<Key<'a>> + Send + Sync;

/// A limit that holds for each key: by account, by tenant, by host.
///
/// ```
/// use std::num::NonZeroUsize;
/// use http::HeaderName;
/// use rate_layer::{Keyed, MINUTE, Quota, RateLayer, key};
///
/// // 100 a minute for each account, and 10 000 accounts at the most.
/// let accounts = Keyed::new(
///     Quota::rolling(100, MINUTE),
///     key::header(HeaderName::from_static("x-account")),
/// );
/// let layer = RateLayer::new(accounts.most(NonZeroUsize::new(10_000).unwrap()));
/// # let _ = layer;
/// ```
///
/// # Bounds
///
/// There are [`most`](Self::most) keys, 100 000 by default. A key is forgotten when nobody has asked for it for as long as
/// [`idle`](Self::idle) says, 10 minutes by default, or when its room is needed for another one. Nothing runs by itself: a few are
/// looked at whenever a key is asked for. Where none is found that can be forgotten, a request with a new key is refused
/// ([`TooManyKeys`](crate::RateErrorKind::TooManyKeys)); all are looked through for one no more often than a hundredth of the time
/// allows.
///
/// A key is never forgotten
///
/// - as long as one of its places counts, or may be [charged](crate::Charge) yet, or somebody waits for one;
/// - as long as the program has [paused](crate::Window::pause) its window, or the server has asked for silence;
/// - once the program has [set](crate::Window::set_limit) its limit, until it is set back to what it began with. So many keys
///   that are kept take the room of others.
///
/// What a server has [made known](crate::Quota::adopt_up_to) of a key's limit, or of its [clock](crate::Quota::aligned), is
/// forgotten with the key, and heard again with the next answer. Where room is needed, keys of which a limit is known go last. A
/// server that lowers limits is best remembered for longer, by `idle`: up to the first answer, the limit is the one that the quota
/// has.
///
/// A window of 100 places that are all taken needs some 500 bytes, a short key included.
#[derive(Clone)]
pub struct Keyed {
    windows: Made,
    key: Arc<KeyFn>,
}

/// Windows that are there, or yet to be made.
#[derive(Clone, Debug)]
enum Made {
    Already(Windows),
    Later {
        quotas: Quotas,
        most: NonZeroUsize,
        idle: Duration,
    },
}

impl Keyed {
    /// Holds the requests of each key to `quotas`; `key` says which key a request has.
    ///
    /// The module [`key`] has what is usual; a closure is best written in its place, where its types are known. A request without a key is refused
    /// ([`NoWindow`](crate::RateErrorKind::NoWindow)).
    pub fn new<F>(quotas: impl Into<Quotas>, key: F) -> Self
    where
        F: for<'a> Fn(&RequestHead<'a>) -> Option<Key<'a>> + Send + Sync + 'static,
    {
        Self {
            windows: Made::Later {
                quotas: quotas.into(),
                most: windows::MOST,
                idle: windows::IDLE,
            },
            key: Arc::new(key),
        }
    }

    /// Counts in `windows`, which other layers may share.
    pub fn shared<F>(windows: Windows, key: F) -> Self
    where
        F: for<'a> Fn(&RequestHead<'a>) -> Option<Key<'a>> + Send + Sync + 'static,
    {
        Self {
            windows: Made::Already(windows),
            key: Arc::new(key),
        }
    }

    /// Keeps windows for no more than so many keys at once.
    ///
    /// # Panics
    ///
    /// On [`shared`](Self::shared) windows, which were made with a bound.
    #[must_use]
    pub fn most(mut self, keys: NonZeroUsize) -> Self {
        match &mut self.windows {
            Made::Later { most, .. } => *most = keys,
            Made::Already(_) => panic!("{MADE}"),
        }
        self
    }

    /// Forgets a key that nobody has asked for in so long.
    ///
    /// # Panics
    ///
    /// On [`shared`](Self::shared) windows, which were made with a time.
    #[must_use]
    pub fn idle(mut self, time: Duration) -> Self {
        match &mut self.windows {
            Made::Later { idle, .. } => *idle = time,
            Made::Already(_) => panic!("{MADE}"),
        }
        self
    }

    /// The windows, if there are any yet: a layer makes them in a copy of its own, which
    /// [`RateLayer::limits_of`](crate::RateLayer::limits_of) shows.
    ///
    /// To keep a handle, make the windows first:
    ///
    /// ```
    /// use rate_layer::{Keyed, MINUTE, Quota, RateLayer, Windows, key};
    ///
    /// let accounts = Windows::new(Quota::rolling(100, MINUTE));
    /// let layer = RateLayer::new(Keyed::shared(accounts.clone(), key::slot));
    /// assert_eq!(accounts.len(), 0);
    /// # let _ = layer;
    /// ```
    pub fn windows(&self) -> Option<&Windows> {
        match &self.windows {
            Made::Already(windows) => Some(windows),
            Made::Later { .. } => None,
        }
    }

    /// Makes the windows in `domain`, if there are none yet.
    pub(crate) fn made_in(self, domain: &Arc<Domain>) -> Self {
        let windows = match self.windows {
            Made::Already(windows) => windows,
            Made::Later { quotas, most, idle } => Windows::open(domain, quotas, most, idle),
        };
        Self {
            windows: Made::Already(windows),
            key: self.key,
        }
    }

    pub(crate) fn key_of<'a>(&self, head: &RequestHead<'a>) -> Option<Key<'a>> {
        (self.key)(head)
    }
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("windows", &self.windows)
            .finish_non_exhaustive()
    }
}
