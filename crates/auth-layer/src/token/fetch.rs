//! One fetch: a task that no caller can cancel, and that always reports how it ended. Then it is the keeper.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Poll;
use std::time::SystemTime;

use http::HeaderValue;
use tokio::runtime::Handle;

use super::failure::Failure;
use super::keep::keep;
use super::refresh_token::Brought;
use super::timing::Expiry;
use super::{Current, TokenSlot};
use crate::clock::Moment;
use crate::events::Teller;
use crate::{EndedTokens, EventKind, Fetch, Grant, Secret, Source, jwt};

tokio::task_local! {
    /// The slots whose fetches the task works for, innermost last.
    static FETCHING: Vec<usize>;
}

/// Lets a task that a source spawns count as the fetch that it works for.
pub(crate) fn in_this_fetch<F: Future>(work: F) -> impl Future<Output = F::Output> {
    FETCHING.scope(FETCHING.try_with(Vec::clone).unwrap_or_default(), work)
}

impl TokenSlot {
    fn id(&self) -> usize {
        Arc::as_ptr(&self.shared).addr()
    }

    /// Whether the task that asks is a fetch for this very slot. To wait for the token there would be to wait for oneself.
    pub(crate) fn is_fetching_here(&self) -> bool {
        FETCHING
            .try_with(|slots| slots.contains(&self.id()))
            .unwrap_or(false)
    }

    /// Runs the fetch of `epoch` on `runtime`.
    pub(super) fn start(&self, epoch: u64, runtime: &Handle) {
        let mut slots = FETCHING.try_with(Vec::clone).unwrap_or_default();
        slots.push(self.id());
        let landing = Landing {
            slot: self.clone(),
            epoch,
            landed: false,
        };
        let keeper = keep(
            Arc::downgrade(&self.shared),
            Arc::clone(&self.shared.changed),
            epoch,
        );
        let fetch = FETCHING.scope(slots, run(landing));
        runtime.spawn(async move {
            fetch.await;
            keeper.await;
        });
    }
}

async fn run(landing: Landing) {
    let shared = Arc::clone(&landing.slot.shared);
    let fetch = {
        let book = shared.book.lock();
        if book.life.is_fenced(landing.epoch) {
            // The slot was logged out before this task ran: what the source has by now is the next login's.
            return;
        }
        Fetch {
            slot: shared.name.clone(),
            teller: Teller::new(&shared.hub, &shared.name),
            refresh_token: book.refresh_token.get().cloned(),
        }
    };
    // From before the request: the server may have begun to count at any time since.
    let born = shared.clock.now();
    let answer = tokio::time::timeout(shared.timing.fetch, ask(&*shared.source, fetch)).await;
    let answer = answer.unwrap_or(Err(Failure::TimedOut));
    if let Some(late) = landing.land(born, answer) {
        let tokens = EndedTokens {
            token: shared.scheme.secret(&late.value),
            refresh_token: late.refresh_token,
        };
        // Nobody waits for it: a failure leaves at the server what would have been there anyway.
        let _ = shared.give_back(tokens).await;
    }
}

/// Asks the source; a panic is a failure. Its message is dropped unread: it may quote a secret.
async fn ask(source: &dyn Source, fetch: Fetch) -> Result<Grant, Failure> {
    let asked = catch_unwind(AssertUnwindSafe(|| source.fetch(fetch)));
    let mut answer = asked.map_err(|_| Failure::Panicked)?;
    std::future::poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
            Ok(poll) => poll.map_err(|error| Failure::Source(Arc::new(error))),
            Err(_) => Poll::Ready(Err(Failure::Panicked)),
        },
    )
    .await
}

/// Reports how a fetch ended, also where its task is dropped together with its runtime, polled or not.
struct Landing {
    slot: TokenSlot,
    epoch: u64,
    landed: bool,
}

impl Landing {
    /// Publishes what the fetch has brought, or hands back what came after the slot was logged out.
    fn land(mut self, born: Moment, answer: Result<Grant, Failure>) -> Option<Token> {
        self.landed = true;
        let late = match answer.and_then(|grant| self.slot.read(grant, born)) {
            Ok(token) => self.publish(token),
            Err(why) => {
                self.fail(why);
                None
            }
        };
        self.slot.shared.changed.notify_waiters();
        late
    }

    fn publish(&self, token: Token) -> Option<Token> {
        let shared = &*self.slot.shared;
        let mut book = shared.book.lock();
        let Some(generation) = book.life.succeed(self.epoch) else {
            if book.life.is_fenced(self.epoch) {
                return Some(token);
            }
            let brought = book.refresh_token.bring(self.epoch, token.refresh_token);
            drop(book);
            self.tell_late(brought);
            return None;
        };
        book.refresh_token.bring(self.epoch, token.refresh_token);
        shared.current.store(Some(Arc::new(Current {
            generation,
            value: token.value,
            expiry: token.expiry,
            ends: token.ends,
            published: token.now.mono,
            accepted: AtomicBool::new(false),
        })));
        // Under the lock, here and elsewhere, so that events come in the order in which things happen.
        shared.hub.tell(&shared.name, EventKind::Renewed);
        drop(book);
        tracing::debug!(slot = %shared.name, generation, "a new token is in use");
        None
    }

    /// Tells of a fetch that has ended after a newer one. What it brought in vain is not given back: a server may end the whole
    /// grant with one of its refresh tokens (RFC 7009, section 2.1; RFC 9700, section 4.14.2).
    fn tell_late(&self, brought: Brought) {
        let slot = &self.slot.shared.name;
        match brought {
            Brought::Nothing => {}
            Brought::Kept => tracing::warn!(
                slot = %slot,
                "a fetch that ended after a newer one has brought the refresh token that is used from now on"
            ),
            Brought::Overtaken => tracing::warn!(
                slot = %slot,
                "a fetch that ended after a newer one has brought another refresh token, which is dropped: if the server takes the kept one no more, somebody has to log in again"
            ),
        }
    }

    fn fail(&self, why: Failure) {
        let shared = &*self.slot.shared;
        let now = shared.clock.now().mono;
        let outcome = why.name();
        let kind = match why.is_permanent() {
            true => EventKind::NeedsHuman,
            false => EventKind::RenewalFailed,
        };
        let mut book = shared.book.lock();
        let counted = book.life.fail(self.epoch, why, now, fastrand::f64());
        if counted {
            shared.hub.tell(&shared.name, kind);
            drop(book);
            tracing::warn!(slot = %shared.name, outcome, "no new token");
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        let shared = &*self.slot.shared;
        let mut book = shared.book.lock();
        if book.life.lose(self.epoch) {
            shared.hub.tell(&shared.name, EventKind::RenewalFailed);
            drop(book);
            shared.changed.notify_waiters();
        }
    }
}

/// A grant, read.
struct Token {
    value: HeaderValue,
    expiry: Option<Expiry>,
    ends: Option<SystemTime>,
    refresh_token: Option<Secret>,
    now: Moment,
}

impl TokenSlot {
    fn read(&self, grant: Grant, born: Moment) -> Result<Token, Failure> {
        let shared = &*self.shared;
        let now = shared.clock.now();
        let value = shared
            .scheme
            .value(&grant.token)
            .map_err(Failure::Unsendable)?;
        let ends = match grant.lifetime {
            Some(_) => None,
            None => jwt::expiry(grant.token.expose()),
        };
        let expiry = match grant.lifetime {
            Some(lifetime) => Some((lifetime, born)),
            None => {
                let time = shared.book.lock().time(now);
                // A claim in the past is no hint: this clock may be wrong, and the server will say so if it is not.
                let left = ends.and_then(|ends| ends.duration_since(time).ok());
                left.filter(|left| !left.is_zero()).map(|left| (left, now))
            }
        };
        let expiry =
            expiry.map(|(lifetime, since)| shared.timing.plan(lifetime, since, fastrand::f64()));
        if expiry.is_some_and(|expiry| expiry.hard.reached(now)) {
            return Err(Failure::BornExpired);
        }
        Ok(Token {
            value,
            expiry,
            ends,
            refresh_token: grant.refresh_token,
            now,
        })
    }
}
