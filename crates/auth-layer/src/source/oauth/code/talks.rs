//! The connections that are open at a time: some that nobody uses must not keep out the one that is waited for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Connections at a time. Browsers open some that they do not use.
pub(super) const MOST: usize = 16;

/// Where all places are taken, a connection keeps its own for this long without having asked for anything. A browser asks at once.
const PATIENCE: Duration = Duration::from_millis(50);

/// How much of its request a connection has sent.
#[derive(Default)]
pub(super) struct Heard(AtomicUsize);

impl Heard {
    const ALL: usize = usize::MAX;

    pub(super) fn so_far(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn all(&self) {
        self.so_far(Self::ALL);
    }
}

/// The open connections, the oldest one first. They are driven by whoever polls, so that nothing happens to one between a look at
/// it and its end.
pub(super) struct Talks<T> {
    talks: Vec<Talk<T>>,
    /// When there may be room.
    room: Pin<Box<Sleep>>,
}

struct Talk<T> {
    since: Instant,
    heard: Arc<Heard>,
    talk: Pin<Box<dyn Future<Output = T> + Send>>,
}

impl<T> Talks<T> {
    pub(super) fn new() -> Self {
        Self {
            talks: Vec::with_capacity(MOST),
            room: Box::pin(sleep(Duration::ZERO)),
        }
    }

    /// Drives all connections, and gives how one ended.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let mut talks = self.talks.iter_mut().enumerate();
        let over = talks.find_map(|(at, talk)| match talk.talk.as_mut().poll(cx) {
            Poll::Ready(outcome) => Some((at, outcome)),
            Poll::Pending => None,
        });
        match over {
            Some((at, outcome)) => {
                drop(self.talks.remove(at));
                Poll::Ready(outcome)
            }
            None => Poll::Pending,
        }
    }

    /// Waits until another connection may come: where all places are taken, until one can be given up for it.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.talks.len() < MOST || self.next_to_go(Instant::now()).is_some() {
                return Poll::Ready(());
            }
            // Who has asked already is answered soon, and that wakes whoever polls here.
            let Some(since) = self.unasked().map(|(_, talk, _)| talk.since).min() else {
                return Poll::Pending;
            };
            self.room.as_mut().reset(since + PATIENCE);
            if self.room.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Adds a connection for which there is [room](Self::poll_room).
    pub(super) fn add<F>(&mut self, talk: impl FnOnce(Arc<Heard>) -> F)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let now = Instant::now();
        if self.talks.len() >= MOST
            && let Some(at) = self.next_to_go(now)
        {
            drop(self.talks.remove(at));
        }
        let heard = Arc::<Heard>::default();
        self.talks.push(Talk {
            since: now,
            talk: Box::pin(talk(Arc::clone(&heard))),
            heard,
        });
    }

    /// The oldest one that has said nothing, or else the oldest one that has not said all, of those that have had their time.
    fn next_to_go(&self, now: Instant) -> Option<usize> {
        let late = self
            .unasked()
            .filter(|(_, talk, _)| now >= talk.since + PATIENCE);
        let first = late.min_by_key(|(at, _, heard)| (*heard > 0, *at));
        first.map(|(at, ..)| at)
    }

    fn unasked(&self) -> impl Iterator<Item = (usize, &Talk<T>, usize)> {
        let talks = self.talks.iter().enumerate();
        let talks = talks.map(|(at, talk)| (at, talk, talk.heard.0.load(Ordering::Relaxed)));
        talks.filter(|(_, _, heard)| *heard != Heard::ALL)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use tokio::sync::oneshot;
    use tokio::time::advance;

    use super::*;

    /// Adds a connection that has said so much, and gives what closes with it.
    fn add(talks: &mut Talks<u32>, bytes: usize) -> oneshot::Receiver<u32> {
        let (open, closed) = oneshot::channel();
        talks.add(|heard| {
            heard.so_far(bytes);
            async move {
                let _open: oneshot::Sender<u32> = open;
                pending().await
            }
        });
        closed
    }

    fn has_room(talks: &mut Talks<u32>) -> bool {
        talks
            .poll_room(&mut Context::from_waker(std::task::Waker::noop()))
            .is_ready()
    }

    /// Which ones are closed.
    fn closed(all: &mut [oneshot::Receiver<u32>]) -> Vec<usize> {
        let all = all.iter_mut().enumerate();
        let closed = all.filter_map(|(at, one)| {
            let gone = one.try_recv() == Err(oneshot::error::TryRecvError::Closed);
            gone.then_some(at)
        });
        closed.collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_that_says_nothing_goes_once_all_places_are_taken_and_it_had_its_time() {
        let mut talks = Talks::new();
        let mut all = Vec::new();
        for _ in 0..MOST {
            assert!(has_room(&mut talks));
            all.push(add(&mut talks, 0));
            advance(Duration::from_millis(1)).await;
        }
        assert!(!has_room(&mut talks));
        let start = Instant::now();
        poll_fn(|cx| talks.poll_room(cx)).await;
        assert_eq!(start.elapsed(), PATIENCE - Duration::from_millis(16));
        assert!(closed(&mut all).is_empty(), "nobody has come for its place");
        all.push(add(&mut talks, 0));
        assert_eq!((closed(&mut all), talks.talks.len()), (vec![0], MOST));
        advance(Duration::from_millis(1)).await;
        assert!(has_room(&mut talks));
        all.push(add(&mut talks, 0));
        assert_eq!((closed(&mut all), talks.talks.len()), (vec![0, 1], MOST));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_said_something_goes_after_those_that_have_not_and_one_that_has_asked_never()
     {
        let mut talks = Talks::new();
        let mut all: Vec<_> = [Heard::ALL, 3, 0, 0, 5]
            .into_iter()
            .chain([Heard::ALL; MOST - 5])
            .map(|bytes| add(&mut talks, bytes))
            .collect();
        advance(PATIENCE).await;
        for gone in [&[2][..], &[2, 3], &[1, 2, 3], &[1, 2, 3, 4]] {
            assert!(has_room(&mut talks));
            all.push(add(&mut talks, Heard::ALL));
            assert_eq!(closed(&mut all), gone);
        }
        advance(PATIENCE * 1000).await;
        assert!(!has_room(&mut talks));
        assert_eq!(talks.talks.len(), MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_ends_makes_room_at_once_and_says_how() {
        let mut talks = Talks::new();
        let all: Vec<_> = (1..MOST).map(|_| add(&mut talks, 0)).collect();
        let (end, ended) = oneshot::channel::<u32>();
        talks.add(|_| async { ended.await.expect("told") });
        assert!(!has_room(&mut talks));
        end.send(7).expect("it waits");
        assert_eq!(poll_fn(|cx| talks.poll_over(cx)).await, 7);
        assert!(has_room(&mut talks));
        drop(all);
    }
}
