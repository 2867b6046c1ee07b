//! The file store on a real file system: what it makes, and what it refuses to touch.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use auth_layer::Secret;
use auth_layer::store::{FileStore, GrantStore, StoreError, StoreState};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::commons::{Issuer, Process, first};
use crate::support::chain;

/// A folder of its own for each test, and the path of a grant two folders below.
struct Home {
    _folder: TempDir,
    path: PathBuf,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app").join("grants").join("wallet.json");
        Self {
            _folder: folder,
            path,
        }
    }

    /// One with a grant in it.
    async fn used() -> Self {
        let home = Self::new();
        home.process(&Issuer::default()).log_in().await;
        home
    }

    fn store(&self) -> FileStore {
        FileStore::new(&self.path).expect("a path")
    }

    fn process(&self, issuer: &Issuer) -> Process {
        Process::new(issuer, self.store())
    }

    fn folder(&self) -> &Path {
        self.path.parent().expect("a folder")
    }

    /// `wallet.json` and this.
    fn beside(&self, end: &str) -> PathBuf {
        self.folder().join(format!("wallet.json{end}"))
    }

    /// Why the store can be neither read nor locked and written, which must be for good and in the same words.
    async fn refused(&self) -> String {
        let error = self.store().load().await.expect_err("refused");
        assert!(error.is_permanent(), "{error:?}");
        let text = chain(&error);
        let error = self.save("t").await.expect_err("refused");
        assert!(error.is_permanent(), "{error:?}");
        assert_eq!(chain(&error), text);
        text
    }

    /// Locks, reads and writes, as a renewal does.
    async fn save(&self, text: &str) -> Result<(), StoreError> {
        let mut lock = self.store().lock().await?;
        lock.load().await?;
        lock.save(text.into()).await
    }

    async fn load(&self) -> Option<String> {
        let text = self.store().load().await.expect("readable");
        text.map(|text| text.expose().to_owned())
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("one's own");
}

#[tokio::test]
async fn files_and_folders_are_made_for_their_owner_alone() {
    let home = Home::new();
    assert_eq!(home.load().await, None);
    assert!(!home.folder().exists(), "looking makes nothing");
    home.save("one").await.expect("written");
    assert_eq!(home.load().await.as_deref(), Some("one"));
    assert_eq!(mode(home.folder()), 0o700);
    assert_eq!(mode(home.folder().parent().expect("one")), 0o700);
    for end in ["", ".lock"] {
        assert_eq!(mode(&home.beside(end)), 0o600, "{end}");
    }
    assert_eq!(fs::read_dir(home.folder()).expect("there").count(), 2);
}

#[tokio::test]
async fn grants_go_through_the_file_from_one_process_to_the_next() {
    let (home, issuer) = (Home::new(), Issuer::default());
    let one = home.process(&issuer);
    one.log_in().await;
    assert_eq!(one.send().await, 1);
    let other = home.process(&issuer);
    for n in 2..5 {
        assert_eq!(one.renew().await, n);
        other.token().invalidate();
        assert_eq!(other.send().await, n);
    }
    assert_eq!(issuer.seen(), ["r1", "r2", "r3"]);
    one.grant.clear().await.expect("emptied").expect("one");
    assert!(!home.path.exists());
    assert!(home.beside(".lock").exists(), "others may wait for it");
}

#[tokio::test]
async fn what_is_open_to_others_is_refused_and_the_error_says_what_to_change() {
    for (end, open, wanted) in [
        ("", 0o640, "0600"),
        ("", 0o604, "0600"),
        (".lock", 0o620, "0600"),
    ] {
        let home = Home::used().await;
        set_mode(&home.beside(end), open);
        let text = if end.is_empty() {
            home.refused().await
        } else {
            chain(&home.save("t").await.expect_err("refused"))
        };
        let path = home.beside(end).display().to_string();
        for part in [&path, &format!("mode {open:04o}"), wanted, "chmod 600"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
    for open in [0o750, 0o701, 0o720] {
        let home = Home::used().await;
        set_mode(home.folder(), open);
        let text = home.refused().await;
        assert!(text.contains("chmod 700"), "{text}");
    }
}

#[tokio::test]
async fn symbolic_links_are_refused_wherever_they_stand() {
    // The grant, pointing at another grant.
    let (home, other) = (Home::used().await, Home::used().await);
    fs::remove_file(&home.path).expect("there");
    symlink(&other.path, &home.path).expect("planted");
    assert!(home.refused().await.contains("symbolic link"));
    // The lock, pointing nowhere: it is not made there either.
    let home = Home::used().await;
    let target = home.folder().join("planted");
    fs::remove_file(home.beside(".lock")).expect("there");
    symlink(&target, home.beside(".lock")).expect("planted");
    let error = home.save("t").await.expect_err("refused");
    assert!(chain(&error).contains("symbolic link"), "{error:?}");
    assert!(!target.exists());
    // The folder.
    let (home, other) = (Home::used().await, Home::used().await);
    fs::remove_dir_all(home.folder()).expect("there");
    symlink(other.folder(), home.folder()).expect("planted");
    assert!(home.refused().await.contains("symbolic link"));
}

#[tokio::test]
async fn a_link_planted_where_the_new_file_is_written_is_not_followed() {
    let home = Home::used().await;
    let victim = home.folder().join("victim");
    fs::write(&victim, "precious").expect("written");
    symlink(&victim, home.beside(".new")).expect("planted");
    home.save("two").await.expect("written");
    assert_eq!(fs::read_to_string(&victim).expect("there"), "precious");
    assert_eq!(home.load().await.as_deref(), Some("two"));
    assert!(fs::symlink_metadata(&home.path).expect("there").is_file());
}

#[tokio::test]
async fn what_is_no_plain_file_is_refused_without_waiting_for_it() {
    let home = Home::used().await;
    for end in ["", ".lock"] {
        let path = home.beside(end);
        fs::remove_file(&path).expect("there");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo").success());
        let error = timeout(Duration::from_secs(20), home.save("t")).await;
        let error = error
            .expect("nobody waits for a pipe")
            .expect_err("refused");
        // Made with the usual mask, the pipe is open to others besides.
        assert!(chain(&error).contains("plain file"), "{error:?}");
        fs::remove_file(&path).expect("there");
    }
    fs::create_dir(&home.path).expect("made");
    assert!(home.refused().await.contains("plain file"));
    // A file where the folder is to be.
    let home = Home::new();
    fs::create_dir_all(home.folder().parent().expect("one")).expect("made");
    fs::write(home.folder(), "").expect("written");
    assert!(home.refused().await.contains("plain folder"));
}

#[tokio::test]
async fn what_cannot_be_read_is_neither_used_nor_touched_until_somebody_logs_in_again() {
    let whole = {
        let home = Home::used().await;
        fs::read(&home.path).expect("there")
    };
    for broken in [
        Vec::new(),
        whole[..whole.len() / 2].to_vec(),
        vec![0; 64],
        br#"{"version":1,"access_token":"canary"}"#.to_vec(),
    ] {
        let (home, issuer) = (Home::used().await, Issuer::default());
        fs::write(&home.path, &broken).expect("written");
        let process = home.process(&issuer);
        let refusal = process.refusal().await;
        let path = home.path.display().to_string();
        assert!(refusal.contains(&path), "{refusal}");
        assert!(!refusal.contains("canary"), "{refusal}");
        assert_eq!(fs::read(&home.path).expect("there"), broken);
        assert!(issuer.seen().is_empty());
        process.log_in().await;
        process.token().changed();
        assert_eq!(process.send().await, 1);
    }
}

#[tokio::test]
async fn what_is_too_long_or_no_text_or_a_newer_programs_is_left_alone_by_all() {
    let huge = vec![b' '; (1 << 20) + 1];
    for (content, part) in [
        (&huge[..], "longer than 1048576 bytes"),
        (b"\xff\xfe", "no text"),
        (br#"{"version":2}"#, "version 2"),
    ] {
        let (home, issuer) = (Home::used().await, Issuer::default());
        fs::write(&home.path, content).expect("written");
        let process = home.process(&issuer);
        let refusal = process.refusal().await;
        assert!(refusal.contains(part), "{refusal}");
        process.grant.put(first()).await.expect_err("left alone");
        process.grant.clear().await.expect_err("left alone");
        assert_eq!(fs::read(&home.path).expect("there"), content);
        assert!(issuer.seen().is_empty());
    }
    let home = Home::used().await;
    let before = home.load().await;
    let huge = String::from_utf8(huge).expect("blanks");
    assert!(
        home.save(&huge)
            .await
            .expect_err("unreadable")
            .is_permanent()
    );
    assert_eq!(home.load().await, before);
}

#[tokio::test]
async fn a_file_that_was_removed_is_not_spent_from_memory() {
    let (home, issuer) = (Home::new(), Issuer::default());
    let process = home.process(&issuer);
    process.log_in().await;
    process.send().await;
    assert_eq!(process.renew().await, 2);
    fs::remove_dir_all(home.folder()).expect("there");
    process.token().invalidate();
    assert!(process.refusal().await.contains("log in first"));
    assert_eq!(issuer.seen(), ["r1", "nothing"]);
}

#[tokio::test]
async fn a_commit_that_cannot_be_written_is_made_good_when_it_can() {
    let (home, issuer) = (Home::new(), Issuer::default());
    let (blocked, take) = (home.beside(".new"), issuer.clone());
    let process = Process::with(home.store(), move |n, fetch| {
        if n == 1 {
            // After the intent: what stands there cannot be removed like a file. It goes for root, too.
            fs::create_dir_all(blocked.join("full")).expect("made");
        }
        crate::support::at_once(take.take(&fetch))
    });
    process.log_in().await;
    process.send().await;
    assert_eq!(process.renew().await, 2);
    assert_eq!(process.grant.state(), StoreState::Unsaved);
    let text = home.load().await.expect("the one before");
    assert!(text.contains(r#""refresh_token":"r1""#) && text.contains("intent"));
    fs::remove_dir_all(home.beside(".new")).expect("there");
    assert_eq!(process.renew().await, 3);
    assert_eq!(process.grant.state(), StoreState::Saved);
    let text = home.load().await.expect("the newest");
    assert!(text.contains(r#""refresh_token":"r3""#) && !text.contains("intent"));
    assert_eq!(issuer.seen(), ["r1", "r2"]);
}

#[tokio::test]
async fn what_a_killed_process_left_aside_is_replaced() {
    let home = Home::used().await;
    fs::write(home.beside(".new"), "half a gra").expect("written");
    home.save("two").await.expect("written");
    assert_eq!(home.load().await.as_deref(), Some("two"));
    assert!(!home.beside(".new").exists());
    fs::write(home.beside(".new"), "half a gra").expect("written");
    let mut lock = home.store().lock().await.expect("free");
    lock.remove().await.expect("removed");
    assert_eq!(fs::read_dir(home.folder()).expect("there").count(), 1);
}

#[tokio::test]
async fn one_holds_the_lock_at_a_time_and_a_removed_lock_file_is_noticed() {
    let home = Home::new();
    let held = home.store().lock().await.expect("free");
    let other = home.store();
    let wait = timeout(Duration::from_millis(60), other.lock());
    assert!(wait.await.is_err(), "held");
    drop(held);
    let held = other.lock().await.expect("free again");
    // The next one makes a new file, and locks that.
    fs::remove_file(home.beside(".lock")).expect("there");
    let next = home.store().lock().await.expect("another file");
    drop(held);
    let wait = timeout(Duration::from_millis(60), other.lock());
    assert!(wait.await.is_err(), "held by the one that has a name");
    drop(next);
    other.lock().await.expect("free again");
}

#[tokio::test]
async fn readers_never_see_half_a_grant() {
    let home = Home::new();
    let texts: Vec<String> = (0..4).map(|n| n.to_string().repeat(50_000)).collect();
    home.save(&texts[0]).await.expect("written");
    let store = home.store();
    let all = texts.clone();
    let writer = tokio::spawn(async move {
        let mut lock = store.lock().await.expect("free");
        for text in all.iter().cycle().take(60) {
            lock.save(Secret::from(&**text)).await.expect("written");
        }
    });
    let mut reads = 0;
    while !writer.is_finished() {
        let text = home.load().await.expect("always there");
        assert!(texts.contains(&text), "{} bytes", text.len());
        reads += 1;
    }
    writer.await.expect("no panic");
    assert!(reads > 0);
}

#[test]
fn a_path_without_a_file_name_is_refused_at_once() {
    for path in ["", "/", "/a/.."] {
        let error = FileStore::new(path).expect_err("no file");
        assert!(error.is_permanent(), "{error:?}");
    }
    let relative = FileStore::new("grant.json").expect("a path");
    assert!(Path::new(&relative.place()).is_absolute());
}
