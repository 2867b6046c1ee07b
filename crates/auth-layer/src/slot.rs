//! One credential: what it is, where it may go, and how it stands in a request.

mod durations;

use std::time::{Duration, SystemTime};

use call_context::{Origin, SlotName};
use http::HeaderName;
use http::header::AUTHORIZATION;

pub(crate) use self::durations::Durations;
use crate::clock::Clock;
use crate::secret::Scheme;
use crate::token::Backoff;
use crate::{Secret, Source, Tenants};

/// One credential, bound to the origins that it is meant for.
///
/// ```
/// use auth_layer::{Grant, Slot, source_fn};
/// use http::HeaderName;
///
/// let key = Slot::key("business", "sk_live_1").origin("https://api.example.com".parse()?);
/// let other = Slot::key("agent", "tm_1")
///     .origin("https://api.example.com".parse()?)
///     .header(HeaderName::from_static("x-api-key"));
/// let token = Slot::token("wallet", source_fn(|_| async { Ok(Grant::new("a.b.c")) }))
///     .origin("https://api.example.com".parse()?);
/// let nothing = Slot::none("public");
/// # Ok::<(), call_context::OriginError>(())
/// ```
///
/// # Defaults of a renewing token
///
/// | what | default | setter |
/// | --- | --- | --- |
/// | renewed before its end by at most | 5 min, and 20 % of its lifetime; less by a random share of up to a quarter | [`soft`](Self::soft) |
/// | not used any more before its end by | 1 s, and at most 10 % of its lifetime | [`leeway`](Self::leeway) |
/// | pause after a failed fetch | doubling from 1 s to 60 s, jittered | [`backoff`](Self::backoff) |
/// | time for one fetch | 10 s; 150 s where the source goes [`through`](Source::through) a stack | [`fetch_timeout`](Self::fetch_timeout) |
/// | a request waits for a token | 30 s; 180 s where the source goes [`through`](Source::through) a stack; or to its own deadline | [`wait`](Self::wait) |
///
/// A fetch through a stack may have to wait for a place in a rate limit, a little more than twice a window: the longer defaults fit a
/// window of a minute. For longer windows, set both.
#[derive(Debug)]
pub struct Slot {
    pub(crate) name: SlotName,
    pub(crate) content: Content,
    pub(crate) origins: Vec<Origin>,
    pub(crate) plain_http: Vec<Origin>,
    pub(crate) header: HeaderName,
    pub(crate) scheme: Scheme,
    pub(crate) callers_own: CallersOwn,
    pub(crate) durations: Durations,
    pub(crate) clock: Clock,
    pub(crate) misplaced_overlap: bool,
}

pub(crate) enum Content {
    Nothing,
    Key {
        key: Secret,
        overlap: Option<Secret>,
    },
    Token(Box<dyn Source>),
    Tenants(Tenants),
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Key { .. } => "Key(..)",
            Self::Token(_) => "Token(..)",
            Self::Tenants(_) => "Tenants(..)",
        })
    }
}

/// What happens to a request that already carries a credential: `Authorization`, the header that its slot would set, or one
/// that another slot of the same [`Auth`](crate::Auth) would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallersOwn {
    /// The request is refused: two credentials on one request are a mistake.
    #[default]
    Refuse,
    /// The caller's values stay. Where one stands in the slot's own header, the slot's credential is left out; it is still
    /// bound to the slot's origins, and a 401 renews nothing.
    Keep,
    /// The caller's values are removed, and the slot's is put on where it has one and the request does not go bare.
    Replace,
}

impl Slot {
    /// A static key.
    pub fn key(name: impl Into<SlotName>, key: impl Into<Secret>) -> Self {
        let (key, overlap) = (key.into(), None);
        Self::new(name.into(), Content::Key { key, overlap })
    }

    /// Adds a second static key, which comes into use where the server refuses the first: see [`KeySlot`](crate::KeySlot).
    ///
    /// On a slot that has no static key this is an error when the [`Auth`](crate::Auth) is built.
    #[must_use]
    pub fn overlap(mut self, second: impl Into<Secret>) -> Self {
        match &mut self.content {
            Content::Key { overlap, .. } => *overlap = Some(second.into()),
            Content::Nothing | Content::Token(_) | Content::Tenants(_) => {
                self.misplaced_overlap = true
            }
        }
        self
    }

    /// A token that is fetched when it is needed and renewed before it ends.
    pub fn token(name: impl Into<SlotName>, source: impl Source) -> Self {
        Self::new(name.into(), Content::Token(Box::new(source)))
    }

    /// A renewing token for each tenant, made when the tenant is first met. All setters hold for each of them.
    ///
    /// A request that names no tenant is refused ([`Reason::NoTenant`](crate::Reason::NoTenant)).
    pub fn tenants(name: impl Into<SlotName>, tenants: Tenants) -> Self {
        Self::new(name.into(), Content::Tenants(tenants))
    }

    /// Deliberately nothing: requests of this slot carry no credential of ours.
    ///
    /// The slot needs no origin; where it has some, or its table [has one](crate::AuthBuilder::origin), it is bound to
    /// them. A caller's own credential is refused here too, unless [`callers_own`](Self::callers_own) says otherwise.
    pub fn none(name: impl Into<SlotName>) -> Self {
        Self::new(name.into(), Content::Nothing)
    }

    fn new(name: SlotName, content: Content) -> Self {
        Self {
            name,
            content,
            origins: Vec::new(),
            plain_http: Vec::new(),
            header: AUTHORIZATION,
            scheme: Scheme::Bearer,
            callers_own: CallersOwn::default(),
            durations: Durations::default(),
            clock: Clock::default(),
            misplaced_overlap: false,
        }
    }

    /// Lets the credential go to `origin`: https, or plain http on this machine. May be called several times.
    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origins.push(origin);
        self
    }

    /// Lets the credential go to `origin` although it is plain http to another machine, where anybody on the way can
    /// read it.
    #[must_use]
    pub fn plain_http(mut self, origin: Origin) -> Self {
        self.plain_http.push(origin);
        self
    }

    /// Puts the credential alone into `header`, instead of `Authorization: Bearer`.
    #[must_use]
    pub fn header(mut self, header: HeaderName) -> Self {
        self.header = header;
        self.scheme = Scheme::Bare;
        self
    }

    /// Says what happens to a request that already carries a credential, in this slot's header, in another slot's or in
    /// `Authorization`. Default: it is refused.
    #[must_use]
    pub fn callers_own(mut self, rule: CallersOwn) -> Self {
        self.callers_own = rule;
        self
    }

    /// Renews the token this long before its end, while it is still in use; never more than a fifth of its lifetime
    /// before. The next request at the gate starts the renewal; where requests wait between gate and attacher, it starts by
    /// itself.
    #[must_use]
    pub fn soft(mut self, before_end: Duration) -> Self {
        self.durations.soft = Some(before_end);
        self
    }

    /// Stops using the token this long before its end, for its travel time and a server whose clock is ahead; never more
    /// than a tenth of its lifetime before.
    #[must_use]
    pub fn leeway(mut self, before_end: Duration) -> Self {
        self.durations.leeway = Some(before_end);
        self
    }

    /// Pauses between `shortest` and `longest` after failed fetches. Equal values make the pause exact, without jitter.
    #[must_use]
    pub fn backoff(mut self, shortest: Duration, longest: Duration) -> Self {
        self.durations.backoff = Some(Backoff { shortest, longest });
        self
    }

    /// Gives one fetch this much time.
    #[must_use]
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.durations.fetch = Some(timeout);
        self
    }

    /// Lets a request wait for a token this long, and after a 401 as long again for a newer one.
    #[must_use]
    pub fn wait(mut self, longest: Duration) -> Self {
        self.durations.wait = Some(longest);
        self
    }

    /// Replaces the wall clock, so that a test can move it.
    #[must_use]
    pub fn wall_clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::with_wall(now);
        self
    }
}
