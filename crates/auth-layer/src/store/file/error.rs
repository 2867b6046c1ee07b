//! What can be wrong with a file, and what to do about it. Names paths, never what is in them.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use rustix::fs::RawMode;

use super::folder::LONGEST;
use crate::store::StoreError;

#[derive(Debug)]
pub(super) enum FileError {
    NoName(PathBuf),
    /// A symbolic link, or not what it is to be.
    NotPlain(PathBuf, &'static str),
    Foreign(PathBuf),
    Open {
        path: PathBuf,
        mode: RawMode,
        to_be: RawMode,
    },
    TooLong(PathBuf),
    NotText(PathBuf),
    Overtaken,
    Io(PathBuf, &'static str, io::Error),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName(path) => write!(f, "`{}` names no file", path.display()),
            Self::NotPlain(path, what) => write!(
                f,
                "{} is a symbolic link or something else than a {what}; put a plain {what} there, or give another path",
                path.display()
            ),
            Self::Foreign(path) => write!(
                f,
                "{} belongs to another user; give a path of this user's own",
                path.display()
            ),
            Self::Open { path, mode, to_be } => write!(
                f,
                "{path} has mode {mode:04o}, so that others may get at it; make it {to_be:04o} (chmod {to_be:o} {path}), and think of whether somebody has read it",
                path = path.display()
            ),
            Self::TooLong(path) => write!(
                f,
                "{} is longer than {LONGEST} bytes, which no grant is; remove it and log in again",
                path.display()
            ),
            Self::NotText(path) => write!(
                f,
                "{} holds no text; remove it and log in again",
                path.display()
            ),
            Self::Overtaken => f.write_str("a later call came first"),
            Self::Io(path, what, _) => write!(f, "could not {what} {}", path.display()),
        }
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(_, _, error) => Some(error),
            _ => None,
        }
    }
}

impl From<FileError> for StoreError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io(..) | FileError::Overtaken => Self::temporary(error),
            _ => Self::permanent(error),
        }
    }
}
