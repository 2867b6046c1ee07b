//! A store in a file that processes share.

mod error;
mod folder;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::error::FileError;
use self::folder::{Folder, LockedFolder, Place};
use super::{GrantStore, StoreError, StoreFuture, StoreLock};
use crate::Secret;

/// While another process holds the lock, it is tried again after pauses from here up to ten times as long.
const PAUSE: Duration = Duration::from_millis(5);

/// How many threads one store may take up: a disk that hangs keeps each that asks it, and who has given up asks again.
const THREADS: usize = 4;

/// A store in a file, for processes of one user on one machine.
///
/// The file has mode 0600 in a folder of mode 0700, and the folder is created where there is none. One that is open to
/// others, that somebody else owns, or that is a symbolic link is refused with an error that says what to change. Beside the
/// file `NAME` lie `NAME.lock`, which is never removed (do not remove it while a program runs), and for a moment `NAME.new`.
///
/// Reading never sees half a file. Writing goes to the file aside, which is synced, renamed over the old one, and the
/// folder synced. The lock is the operating system's (`flock`): it ends with the process that holds it, however that ends.
/// Over network file systems it is as good as theirs is.
///
/// Needs the feature `file-store` (on by default) and Unix. Its methods need a tokio runtime, on whose blocking threads they
/// work: four at the most, clones included, so that a disk that hangs does not take up all of them.
///
/// ```
/// use auth_layer::store::{FileStore, Stored};
/// use auth_layer::{Grant, Slot, SourceError, source_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let home = tempfile::tempdir()?;
/// let store = FileStore::new(home.path().join("wallet").join("grant.json"))?;
/// let renew = source_fn(|_| async { Err(SourceError::permanent("log in first")) });
/// let stored = Stored::new(renew, store);
///
/// // After a login:
/// stored.grant().put(Grant::new("a.b.c").expires_in(3600).refresh_token("r1")).await?;
/// assert!(home.path().join("wallet/grant.json").exists());
/// let slot = Slot::token("wallet", stored);
/// # let _ = slot;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FileStore {
    place: Arc<Place>,
    threads: Arc<Semaphore>,
}

impl FileStore {
    /// A store in the file at `path`, which is made absolute now. Nothing is touched yet.
    ///
    /// # Errors
    ///
    /// Where `path` names no file, or is relative while the current folder cannot be told.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let place = Place::new(path.as_ref())?;
        Ok(Self {
            place: Arc::new(place),
            threads: Arc::new(Semaphore::new(THREADS)),
        })
    }
}

impl GrantStore for FileStore {
    fn load(&self) -> StoreFuture<'_, Option<Secret>> {
        let place = Arc::clone(&self.place);
        Box::pin(blocking(&self.threads, move || {
            match Folder::open(place)? {
                Some(folder) => folder.read(),
                None => Ok(None),
            }
        }))
    }

    fn lock(&self) -> StoreFuture<'_, Box<dyn StoreLock>> {
        Box::pin(async {
            let mut pause = PAUSE;
            loop {
                let place = Arc::clone(&self.place);
                let locked =
                    blocking(&self.threads, move || Folder::create(place)?.try_lock()).await?;
                if let Some(folder) = locked {
                    return Ok(Box::new(FileLock::new(folder, &self.threads)) as Box<dyn StoreLock>);
                }
                tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                pause = (pause * 2).min(PAUSE * 10);
            }
        })
    }

    fn place(&self) -> String {
        self.place.to_string()
    }

    fn has_many_machines(&self) -> bool {
        false
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("path", &self.place.to_string())
            .finish()
    }
}

struct FileLock {
    /// Shared with the work under way on a blocking thread, so that the lock outlasts it.
    folder: Arc<LockedFolder>,
    /// The number of the newest work that has begun. One that was dropped, and gets its thread late, must not undo a later one.
    begun: Arc<Mutex<u64>>,
    issued: u64,
    threads: Arc<Semaphore>,
}

impl FileLock {
    fn new(folder: LockedFolder, threads: &Arc<Semaphore>) -> Self {
        Self {
            folder: Arc::new(folder),
            begun: Arc::default(),
            issued: 0,
            threads: Arc::clone(threads),
        }
    }

    fn work<T, F>(&mut self, work: F) -> StoreFuture<'static, T>
    where
        T: Send + 'static,
        F: FnOnce(&LockedFolder) -> Result<T, FileError> + Send + 'static,
    {
        self.issued += 1;
        let issued = self.issued;
        let (folder, begun) = (Arc::clone(&self.folder), Arc::clone(&self.begun));
        Box::pin(blocking(&self.threads, move || {
            let mut begun = begun.lock();
            if *begun > issued {
                return Err(FileError::Overtaken);
            }
            *begun = issued;
            work(&folder)
        }))
    }
}

impl StoreLock for FileLock {
    fn load(&mut self) -> StoreFuture<'_, Option<Secret>> {
        self.work(LockedFolder::read)
    }

    fn save(&mut self, text: Secret) -> StoreFuture<'_, ()> {
        self.work(move |folder| folder.write(&text))
    }

    fn remove(&mut self) -> StoreFuture<'_, ()> {
        self.work(LockedFolder::remove)
    }
}

/// Does `work` on a thread that may block. Dropped before it has one of `threads`, it does nothing.
fn blocking<T, F>(
    threads: &Arc<Semaphore>,
    work: F,
) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, FileError> + Send + 'static,
{
    let threads = Arc::clone(threads);
    async move {
        let shut_down = || StoreError::temporary("the runtime was shut down");
        let thread = threads.acquire_owned().await.map_err(|_| shut_down())?;
        let work = tokio::task::spawn_blocking(move || {
            let _thread = thread;
            work()
        });
        match work.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(shut_down()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_was_given_up_and_gets_its_thread_late_does_not_undo_a_later_one() {
        let home = tempfile::tempdir().expect("a folder");
        let store = FileStore::new(home.path().join("grants/a")).expect("a path");
        let folder = Folder::create(Arc::clone(&store.place)).expect("a folder");
        let mut lock = FileLock::new(
            folder.try_lock().expect("a lock").expect("free"),
            &store.threads,
        );
        let early = lock.work(|folder| folder.write(&"early".into()));
        let late = lock.work(|folder| folder.write(&"late".into()));
        late.await.expect("written");
        early.await.expect_err("overtaken");
        let text = store.load().await.expect("readable").expect("a text");
        assert_eq!(text.expose(), "late");
    }

    #[tokio::test]
    async fn a_disk_that_hangs_takes_few_threads_however_often_it_is_asked() {
        let home = tempfile::tempdir().expect("a folder");
        let store = FileStore::new(home.path().join("grants/a")).expect("a path");
        let folder = Folder::create(Arc::clone(&store.place)).expect("a folder");
        let folder = folder.try_lock().expect("a lock").expect("free");
        let mut lock = FileLock::new(folder, &store.threads);
        let (go_on, hangs) = std::sync::mpsc::channel::<()>();
        let hangs = Arc::new(Mutex::new(hangs));
        let begun = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        for _ in 0..20 {
            let (hangs, begun) = (Arc::clone(&hangs), Arc::clone(&begun));
            let work = blocking(&store.threads, move || {
                begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let _ = hangs.lock().recv();
                Ok(())
            });
            let given_up = tokio::time::timeout(Duration::from_millis(5), work).await;
            given_up.expect_err("it hangs");
        }
        let taken = begun.load(std::sync::atomic::Ordering::SeqCst);
        assert!((1..=THREADS).contains(&taken), "{taken}");
        // One that is asked meanwhile, and not given up, is served when the disk goes on.
        let (saved, ()) = tokio::join!(lock.save("text".into()), async { drop(go_on) });
        saved.expect("written");
        let text = store.load().await.expect("readable").expect("a text");
        assert_eq!(text.expose(), "text");
    }
}
