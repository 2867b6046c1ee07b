//! The folder and its files: opened without following links, and looked at before they are used.
//!
//! All goes by the open folder's descriptor: what is looked at is what is used, also while somebody renames things.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::error::FileError;
use crate::Secret;

/// No grant is longer than this many bytes: no header could hold its token.
pub(super) const LONGEST: usize = 1 << 20;

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const FOLDER_MODE: Mode = Mode::RWXU;

/// Where a grant is kept.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    name: OsString,
    lock: OsString,
    aside: OsString,
}

impl Place {
    pub(super) fn new(path: &Path) -> Result<Self, FileError> {
        let no_name = || FileError::NoName(path.to_owned());
        let name = path.file_name().ok_or_else(no_name)?;
        let absolute = std::path::absolute(path)
            .map_err(|error| FileError::Io(path.to_owned(), "tell where to find", error))?;
        let folder = absolute.parent().ok_or_else(no_name)?;
        let beside = |end: &str| {
            let mut beside = name.to_owned();
            beside.push(end);
            beside
        };
        Ok(Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            lock: beside(".lock"),
            aside: beside(".new"),
        })
    }

    fn path(&self, name: &OsStr) -> PathBuf {
        self.folder.join(name)
    }

    fn failed<'a>(
        &'a self,
        name: &'a OsStr,
        what: &'static str,
    ) -> impl Fn(Errno) -> FileError + 'a {
        move |error| FileError::Io(self.path(name), what, error.into())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path(&self.name).display().fmt(f)
    }
}

/// The open folder: one's own, and closed to others.
pub(super) struct Folder {
    place: Arc<Place>,
    fd: OwnedFd,
}

impl Folder {
    /// Opens the folder; `None` where there is none.
    pub(super) fn open(place: Arc<Place>) -> Result<Option<Self>, FileError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let path = &place.folder;
        let fd = match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(FileError::NotPlain(path.clone(), "folder"));
            }
            Err(error) => return Err(FileError::Io(path.clone(), "open", error.into())),
        };
        is_private(&fd, path, FileType::Directory)?;
        Ok(Some(Self { place, fd }))
    }

    /// Opens the folder, and creates it where there is none.
    pub(super) fn create(place: Arc<Place>) -> Result<Self, FileError> {
        if let Some(folder) = Self::open(Arc::clone(&place))? {
            return Ok(folder);
        }
        let path = place.folder.clone();
        let failed = |error| FileError::Io(path.clone(), "create", error);
        let new = path.ancestors().take_while(|folder| !folder.exists());
        let new = new.count();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(failed)?;
        for parent in path.ancestors().skip(1).take(new) {
            // As far as that can be had: a parent may not be readable.
            let _ = File::open(parent).and_then(|parent| parent.sync_all());
        }
        Self::open(place)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
    }

    /// Reads the grant, if there is one.
    pub(super) fn read(&self) -> Result<Option<Secret>, FileError> {
        let name = &self.place.name;
        let Some(fd) = self.open_file(name, OFlags::RDONLY)? else {
            return Ok(None);
        };
        let failed = |error| FileError::Io(self.place.path(name), "read", error);
        let file = File::from(fd);
        let length = file.metadata().map_err(failed)?.len();
        if length > LONGEST as u64 {
            return Err(FileError::TooLong(self.place.path(name)));
        }
        // Room for all at once: what a growing buffer leaves behind is not overwritten.
        let mut text = Zeroizing::new(Vec::with_capacity(LONGEST.min(length as usize) + 64));
        file.take(LONGEST as u64)
            .read_to_end(&mut text)
            .map_err(failed)?;
        match std::str::from_utf8(&text) {
            Ok(text) => Ok(Some(text.into())),
            Err(_) => Err(FileError::NotText(self.place.path(name))),
        }
    }

    /// Takes the lock; `None` where another holds it.
    pub(super) fn try_lock(self) -> Result<Option<LockedFolder>, FileError> {
        let lock = self.open_lock()?;
        self.lock_by(lock)
    }

    fn open_lock(&self) -> Result<OwnedFd, FileError> {
        let name = &self.place.lock;
        let lock = self.open_file(name, OFlags::RDWR | OFlags::CREATE)?;
        lock.ok_or_else(|| self.place.failed(name, "create")(Errno::NOENT))
    }

    fn lock_by(self, lock: OwnedFd) -> Result<Option<LockedFolder>, FileError> {
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(None),
            Err(error) => return Err(self.failed_to_lock(error)),
        }
        // Somebody may have removed it meanwhile: a lock on what has no name keeps nobody out.
        let locked = rustix::fs::fstat(&lock).map_err(|error| self.failed_to_lock(error))?;
        match rustix::fs::statat(&self.fd, &self.place.lock, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) if same(&locked, &named) => {}
            Ok(_) | Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.failed_to_lock(error)),
        }
        Ok(Some(LockedFolder {
            folder: self,
            _lock: lock,
        }))
    }

    fn failed_to_lock(&self, error: Errno) -> FileError {
        self.place.failed(&self.place.lock, "lock")(error)
    }

    /// Opens one of the files, which must be plain, one's own and closed to others; `None` where there is none.
    fn open_file(&self, name: &OsStr, flags: OFlags) -> Result<Option<OwnedFd>, FileError> {
        // Not to hang at a pipe, nor to get a terminal.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = match rustix::fs::openat(&self.fd, name, flags, FILE_MODE) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => {
                return Err(FileError::NotPlain(self.place.path(name), "file"));
            }
            Err(error) => return Err(self.place.failed(name, "open")(error)),
        };
        is_private(&fd, &self.place.path(name), FileType::RegularFile)?;
        Ok(Some(fd))
    }
}

/// The folder while this process alone may write in it.
pub(super) struct LockedFolder {
    folder: Folder,
    _lock: OwnedFd,
}

impl LockedFolder {
    pub(super) fn read(&self) -> Result<Option<Secret>, FileError> {
        self.folder.read()
    }

    /// Writes the grant: aside, synced, renamed, and the folder synced.
    pub(super) fn write(&self, text: &Secret) -> Result<(), FileError> {
        let Folder { place, fd } = &self.folder;
        if text.expose().len() > LONGEST {
            return Err(FileError::TooLong(place.path(&place.name)));
        }
        let written = self.write_aside(text).and_then(|()| {
            rustix::fs::renameat(fd, &place.aside, fd, &place.name)
                .map_err(place.failed(&place.name, "replace"))
        });
        if written.is_err() {
            // It may hold half a grant, and takes up room on a disk that may be full.
            let _ = rustix::fs::unlinkat(fd, &place.aside, AtFlags::empty());
        }
        written?;
        self.sync()
    }

    /// Removes the grant, and what a process that was killed may have left aside.
    pub(super) fn remove(&self) -> Result<(), FileError> {
        for name in [&self.folder.place.aside, &self.folder.place.name] {
            self.unlink(name)?;
        }
        self.sync()
    }

    fn write_aside(&self, text: &Secret) -> Result<(), FileError> {
        let Folder { place, fd } = &self.folder;
        let name = &place.aside;
        // Whoever left it there was killed: the lock is ours. Made anew, it is nobody's link.
        self.unlink(name)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let aside =
            rustix::fs::openat(fd, name, flags, FILE_MODE).map_err(place.failed(name, "create"))?;
        // A mask may have taken away what the owner needs.
        rustix::fs::fchmod(&aside, FILE_MODE).map_err(place.failed(name, "set the mode of"))?;
        let mut aside = File::from(aside);
        aside
            .write_all(text.expose().as_bytes())
            .and_then(|()| aside.sync_all())
            .map_err(|error| FileError::Io(place.path(name), "write", error))
    }

    fn unlink(&self, name: &OsStr) -> Result<(), FileError> {
        let Folder { place, fd } = &self.folder;
        match rustix::fs::unlinkat(fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(place.failed(name, "remove")(error)),
        }
    }

    fn sync(&self) -> Result<(), FileError> {
        let Folder { place, fd } = &self.folder;
        let folder = fd.try_clone().map(File::from);
        folder
            .and_then(|folder| folder.sync_all())
            .map_err(|error| FileError::Io(place.folder.clone(), "sync", error))
    }
}

fn same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

fn is_private(fd: impl AsFd, path: &Path, wanted: FileType) -> Result<(), FileError> {
    let stat = rustix::fs::fstat(fd)
        .map_err(|error| FileError::Io(path.to_owned(), "look at", error.into()))?;
    let (what, to_be) = match wanted {
        FileType::Directory => ("folder", FOLDER_MODE),
        _ => ("file", FILE_MODE),
    };
    if FileType::from_raw_mode(stat.st_mode) != wanted {
        return Err(FileError::NotPlain(path.to_owned(), what));
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(FileError::Foreign(path.to_owned()));
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.intersects(Mode::RWXG | Mode::RWXO) {
        return Err(FileError::Open {
            path: path.to_owned(),
            mode: mode.as_raw_mode() & 0o7777,
            to_be: to_be.as_raw_mode(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(home: &Path) -> Folder {
        let place = Place::new(&home.join("grants").join("a")).expect("a path");
        Folder::create(Arc::new(place)).expect("a folder")
    }

    #[test]
    fn a_lock_file_that_is_removed_before_it_is_locked_is_no_lock() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("grants").join("a.lock");
        for made_anew in [false, true] {
            let early = folder(home.path());
            let lock = early.open_lock().expect("open");
            std::fs::remove_file(&path).expect("there");
            let late = made_anew.then(|| folder(home.path()).try_lock().expect("a lock"));
            assert!(early.lock_by(lock).expect("looked at").is_none());
            drop(late);
            assert!(folder(home.path()).try_lock().expect("a lock").is_some());
        }
    }
}
