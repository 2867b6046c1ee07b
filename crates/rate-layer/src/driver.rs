//! The task that looks after the lines of a domain, as long as somebody waits there.
//!
//! There is one on each runtime on which somebody waits, since a task goes on only where its runtime is driven: a waiter that is
//! polled makes sure of one where it is polled. It ends when nobody waits any more, or with its runtime; then the next one who waits
//! there makes another.

use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use crate::book::drivers::DriverId;
use crate::book::outcome::Drive;
use crate::domain::Domain;
use crate::moment::Moment;

/// Starts a driver that the book has just noted, on the runtime that polls now.
///
/// # Panics
///
/// Outside of a runtime with time enabled.
pub(crate) fn start(domain: &Arc<Domain>, id: DriverId) {
    let post = Post {
        domain: Arc::downgrade(domain),
        id,
    };
    // Begun here, so that whoever waits is told where there are no timers.
    let driver = Driver {
        sleep: sleep(Duration::ZERO),
        has_yielded: false,
        post,
    };
    // A runtime that is shutting down drops it at once.
    drop(tokio::spawn(driver));
}

pin_project! {
    /// Looks after the lines of a domain.
    struct Driver {
        #[pin]
        sleep: Sleep,
        // Whether it has looked, and let others go first before it looks again.
        has_yielded: bool,
        post: Post,
    }
}

/// The driver as the book knows it. Dropped, it is known there no more.
struct Post {
    // Whoever waits keeps it, and the driver goes when nobody does.
    domain: Weak<Domain>,
    id: DriverId,
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            let Some(domain) = this.post.domain.upgrade() else {
                return Poll::Ready(());
            };
            let now = domain.clock.now();
            let (driver, is_patient) = (this.post.id, !mem::take(this.has_yielded));
            let mut waker = Some(cx.waker().clone());
            let next = domain
                .book
                .with_calmly(|book, wakes| book.drive(now, driver, is_patient, &mut waker, wakes));
            let next = match next {
                Drive::At(next) => next,
                Drive::Soon => {
                    *this.has_yielded = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Drive::Over => return Poll::Ready(()),
            };
            let alarm = domain.clock.instant(next);
            let Some(alarm) = alarm.filter(|_| next != Moment::NEVER) else {
                return Poll::Pending;
            };
            this.sleep.as_mut().reset(alarm);
            ready!(this.sleep.as_mut().poll(cx));
        }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        if let Some(domain) = self.domain.upgrade() {
            domain
                .book
                .with_calmly(|book, wakes| book.dismiss_driver(self.id, wakes));
        }
    }
}
