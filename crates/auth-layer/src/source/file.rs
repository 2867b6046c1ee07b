//! A token in a file that another process rotates.

mod error;
mod read;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use self::error::{FileError, Unreadable};
use self::read::read;
use crate::clock::{Clock, Moment};
use crate::{Fetch, Grant, GrantFuture, Secret, Source, SourceError, jwt};

/// How often a file is read again, as in Kubernetes' client-go.
const RECHECK: Duration = Duration::from_secs(60);

/// A file is not read more often than this because of its age.
const SHORTEST: Duration = Duration::from_secs(1);

/// How often a file is read again whose JWT has ended: its rotation is late.
const OVERDUE: Duration = Duration::from_secs(5);

/// What is new must be read twice, this far apart, before it is believed: its writer may be half done.
const SETTLE: Duration = Duration::from_millis(50);

/// How often a file that changes at each look is looked at.
const LOOKS: u32 = 5;

/// The longest that one look may take. A file system that hangs must not keep the last good value from those who wait.
const LOOK: Duration = Duration::from_secs(2);

/// A source that reads the file at `path`, which another process rotates: a mounted Kubernetes secret or service account
/// token, what a Vault agent writes.
///
/// The file holds the token alone, in UTF-8, at most 64 KiB of it; line breaks at its end are cut off. The path is followed
/// anew at each look, through all symbolic links, so that a swapped folder (`..data` in Kubernetes) is seen.
///
/// # When the file is read
///
/// When a token is needed; then, as long as there are requests, within a minute ([`recheck`](FileSource::recheck)), behind the
/// calls that go on with the token in use; at once after a 401. A JWT whose `exp` comes sooner is read again before that.
/// After a pause without requests the next one waits for a look.
///
/// Reading never blocks the runtime: it runs on its pool for blocking work, one look at a time. What has changed is read
/// twice, 50 ms apart, and believed where both agree, because a writer that does not rename may be half done. A writer that
/// pauses for longer is not seen through: the server refuses what it left, and the file is read again.
///
/// # When it cannot be read
///
/// Where the file is gone, empty, half-written, not UTF-8, too large, no regular file or may not be read, its last good value
/// is used on, with a warning at each look: to its `exp` where it is a JWT, and until the server refuses it otherwise. Without a
/// good value the fetch fails, for now: the file may still come. A JWT that has ended by this machine's clock is handed over all the
/// same, since the clock may be wrong; the server decides, and the file is read again every few seconds.
///
/// Pipes, folders and devices are refused before they are opened. One that takes the file's place in just that
/// moment holds one thread of the pool, and no call for longer than two seconds.
///
/// ```
/// use auth_layer::{Slot, source_file};
///
/// let source = source_file("/var/run/secrets/kubernetes.io/serviceaccount/token");
/// let slot = Slot::token("cluster", source).origin("https://10.0.0.1".parse()?);
/// # Ok::<(), call_context::OriginError>(())
/// ```
pub fn source_file(path: impl Into<PathBuf>) -> FileSource {
    FileSource {
        path: path.into().into(),
        recheck: RECHECK,
        clock: Clock::default(),
        kept: Mutex::new(None),
        looking: tokio::sync::Mutex::new(None),
    }
}

/// The source that [`source_file`] makes.
pub struct FileSource {
    path: Arc<Path>,
    recheck: Duration,
    clock: Clock,
    kept: Mutex<Option<Kept>>,
    /// The look that runs. One that hangs outlives the fetch that began it, and no second one is begun beside it.
    looking: tokio::sync::Mutex<Option<JoinHandle<Result<Secret, Unreadable>>>>,
}

/// The last good value.
#[derive(Clone)]
struct Kept {
    token: Secret,
    /// Where it is a JWT, when it ends.
    ends: Option<Moment>,
}

impl FileSource {
    /// Reads the file again after at most this long while there are requests; at least a second. Default: one minute.
    ///
    /// Each token is stated to live that long, so the slot renews it a little earlier: after 80 % to 85 % of it.
    #[must_use]
    pub fn recheck(mut self, longest: Duration) -> Self {
        self.recheck = longest.max(SHORTEST);
        self
    }

    /// Replaces the wall clock that a JWT's `exp` is held against, so that a test can move it.
    #[must_use]
    pub fn wall_clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::with_wall(now);
        self
    }

    async fn grant(&self) -> Result<Grant, SourceError> {
        // From before the look, as the slot counts.
        let now = self.clock.now();
        match self.settled().await {
            Ok(token) => Ok(self.keep(token, now)),
            Err(why) => self.keep_on(why, now),
        }
    }

    /// Reads the file until two looks agree, or what they see is known.
    async fn settled(&self) -> Result<Secret, Unreadable> {
        let mut seen = self.look().await?;
        if self.is_kept(&seen) {
            return Ok(seen);
        }
        for _ in 1..LOOKS {
            sleep(SETTLE).await;
            let again = self.look().await?;
            if again.expose() == seen.expose() {
                return Ok(again);
            }
            seen = again;
        }
        Err(Unreadable::Changing)
    }

    async fn look(&self) -> Result<Secret, Unreadable> {
        timeout(LOOK, self.look_in_turn())
            .await
            .unwrap_or(Err(Unreadable::Slow))
    }

    async fn look_in_turn(&self) -> Result<Secret, Unreadable> {
        let mut looking = self.looking.lock().await;
        if let Some(earlier) = looking.as_mut() {
            // What it has seen is old by now.
            let _ = earlier.await;
        }
        let path = Arc::clone(&self.path);
        let look = looking.insert(tokio::task::spawn_blocking(move || read(&path)));
        let seen = look.await;
        *looking = None;
        seen.unwrap_or(Err(Unreadable::Lost))
    }

    fn is_kept(&self, token: &Secret) -> bool {
        let kept = self.kept.lock();
        kept.as_ref()
            .is_some_and(|kept| kept.token.expose() == token.expose())
    }

    fn keep(&self, token: Secret, now: Moment) -> Grant {
        let left = left(&token, now);
        let mut kept = self.kept.lock();
        let same = kept
            .as_ref()
            .filter(|kept| kept.token.expose() == token.expose());
        // A JWT that has ended since has no time left to tell; when it ended is known from before.
        let ends = left
            .map(|left| now.after(left))
            .or_else(|| same.and_then(|kept| kept.ends));
        *kept = Some(Kept {
            token: token.clone(),
            ends,
        });
        self.for_now(token, left.or(ends.map(|_| OVERDUE)))
    }

    fn keep_on(&self, why: Unreadable, now: Moment) -> Result<Grant, SourceError> {
        let kept = self.kept.lock().clone();
        let why = FileError::new(&self.path, why);
        match kept {
            Some(kept) if !kept.ends.is_some_and(|ends| ends.reached(now)) => {
                tracing::warn!(%why, "the last good token of the file is used on");
                let left = kept.ends.map(|ends| ends.mono - now.mono);
                Ok(self.for_now(kept.token, left.map(|left| left.max(SHORTEST))))
            }
            _ => Err(SourceError::temporary(why)),
        }
    }

    /// A grant that lives until the next look.
    fn for_now(&self, token: Secret, left: Option<Duration>) -> Grant {
        let lifetime = left.map_or(self.recheck, |left| left.min(self.recheck));
        Grant::new(token).lifetime(lifetime)
    }
}

/// What a JWT has left, where that is worth mentioning.
fn left(token: &Secret, now: Moment) -> Option<Duration> {
    let left = jwt::expiry(token.expose())?.duration_since(now.wall);
    left.ok().filter(|left| *left >= SHORTEST)
}

impl Source for FileSource {
    fn fetch(&self, _: Fetch) -> GrantFuture<'_> {
        Box::pin(self.grant())
    }
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource")
            .field("path", &self.path)
            .field("recheck", &self.recheck)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// A file system that hangs is played by a look that never ends.
    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_keeps_nobody_from_the_last_good_value_and_no_second_one_is_begun() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        std::fs::write(&path, "t1").expect("written");
        let source = source_file(&path);
        let fetch = async || {
            let start = Instant::now();
            let grant = source.grant().await.expect("a grant");
            (grant.token.expose().to_owned(), start.elapsed())
        };
        assert_eq!(fetch().await, ("t1".into(), SETTLE));

        let hangs = tokio::spawn(std::future::pending());
        let end = hangs.abort_handle();
        *source.looking.lock().await = Some(hangs);
        std::fs::write(&path, "t2").expect("written");
        for _ in 0..3 {
            assert_eq!(fetch().await, ("t1".into(), LOOK));
        }
        end.abort();
        assert_eq!(fetch().await, ("t2".into(), SETTLE));
    }
}
