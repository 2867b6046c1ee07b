//! What servers' answers tell about the token: whether it is good, and what time it is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use http::HeaderMap;

use super::{Book, Current, TokenSlot};
use crate::EventKind;
use crate::clock::{Moment, ServerTime};

impl TokenSlot {
    /// Notes that a server has accepted `generation`, in an answer with these `headers`.
    pub(crate) fn accept(&self, generation: u64, headers: &HeaderMap) {
        let current = self.shared.current.load();
        let Some(current) = current.as_ref().filter(|c| c.generation == generation) else {
            return;
        };
        // The load alone keeps the common case free of writes that other cores would have to see.
        if !current.accepted.load(Ordering::Relaxed)
            && !current.accepted.swap(true, Ordering::Relaxed)
        {
            let now = self.shared.clock.now();
            let mut book = self.shared.book.lock();
            book.life.accept();
            book.learn(headers, now);
            self.set_right(&book, current, now);
        }
    }

    /// Throws `generation` away, because a server refused it in an answer with these `headers`. Late refusals of earlier ones
    /// change nothing.
    pub(crate) fn reject(&self, generation: u64, headers: &HeaderMap) {
        let now = self.shared.clock.now();
        let mut book = self.shared.book.lock();
        let current = self.shared.current.load();
        let Some(current) = current.as_deref().filter(|c| c.generation == generation) else {
            return;
        };
        let accepted = current.accepted.load(Ordering::Relaxed);
        book.life
            .reject(accepted, current.published, now.mono, fastrand::f64());
        book.learn(headers, now);
        self.shared.current.store(None);
        self.shared.hub.tell(&self.shared.name, EventKind::Rejected);
        drop(book);
        self.shared.changed.notify_waiters();
        tracing::debug!(slot = %self.shared.name, generation, accepted, "the server refused the token");
    }

    /// Plans the end of a token anew that was planned by a clock that may have been off, now that the server's is known.
    ///
    /// `book` is proof of the lock, under which `current` is still compared with what is in use.
    fn set_right(&self, book: &Book, current: &Arc<Current>, now: Moment) {
        let (Some(ends), Some(server)) = (current.ends, book.server_time) else {
            return;
        };
        let in_use = self.shared.current.load();
        if !in_use.as_ref().is_some_and(|c| Arc::ptr_eq(c, current)) {
            return;
        }
        let left = ends.duration_since(server.at(now));
        // The server has just accepted it, whatever its claim says.
        let left = left.ok().filter(|left| !left.is_zero());
        let plan = |left| self.shared.timing.plan(left, now, fastrand::f64());
        self.shared.current.store(Some(Arc::new(Current {
            generation: current.generation,
            value: current.value.clone(),
            expiry: left.map(plan),
            ends: None,
            published: current.published,
            accepted: AtomicBool::new(true),
        })));
        self.shared.changed.notify_waiters();
    }
}

impl Book {
    /// Learns the server's time from an answer. Once a token, so that it costs nothing where it is not needed.
    fn learn(&mut self, headers: &HeaderMap, now: Moment) {
        self.server_time = ServerTime::read(headers, now).or(self.server_time);
    }

    /// The time at the server, where it is known; else at this machine.
    pub(super) fn time(&self, now: Moment) -> SystemTime {
        self.server_time.map_or(now.wall, |server| server.at(now))
    }
}
