//! Tokens in files that somebody rotates: real files, in paused time.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use auth_layer::{Auth, FileSource, Reason, Slot, source_file};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use call_context::Renewed;
use tempfile::TempDir;
use tokio::time::{Instant, advance, sleep};
use tower::ServiceExt;

use crate::support::{Client, SECOND, Server, chain, client, origin, refused, request, send, wall};

const MINUTE: Duration = Duration::from_secs(60);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A folder with a token file, and a client that takes its tokens from it.
struct Mount {
    folder: TempDir,
    auth: Auth,
    server: Server,
    client: Client,
    wall: Arc<AtomicI64>,
}

impl Mount {
    fn with(text: &str) -> Self {
        let mount = Self::empty(|source| source);
        fs::write(mount.path(), text).expect("written");
        mount
    }

    fn empty(set: impl FnOnce(FileSource) -> FileSource) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (wall, now) = wall();
        let source = set(source_file(folder.path().join("token")).wall_clock(now));
        let slot = Slot::token("cluster", source)
            .origin(origin())
            .backoff(SECOND, SECOND);
        let (auth, server, client) = client(slot);
        Self {
            folder,
            auth,
            server,
            client,
            wall,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    /// A finished file takes the place of the old one at once.
    fn rotate(&self, text: &str) {
        let aside = self.folder.path().join("aside");
        fs::write(&aside, text).expect("written");
        fs::rename(aside, self.path()).expect("renamed");
    }

    async fn sent(&self) -> String {
        send(&self.client).await.expect("an answer")
    }

    fn fetches(&self) -> u64 {
        self.auth
            .token("cluster")
            .expect("a token slot")
            .counts()
            .fetches
    }

    /// Lets `time` pass, sends a request that may find the token due, waits for the renewal behind it, and gives what the next
    /// request carries.
    async fn after(&self, time: Duration) -> String {
        advance(time).await;
        let before = self.fetches();
        self.sent().await;
        for _ in 0..1000 {
            let counts = self.auth.token("cluster").expect("a token slot").counts();
            if counts.fetches > before && counts.renewals + counts.failures + 1 >= counts.fetches {
                break;
            }
            sleep(MILLISECOND).await;
        }
        self.sent().await
    }
}

/// A JWT that ends so many seconds after the tests' wall clock began.
fn jwt(name: &str, ends: i64) -> String {
    let exp = 1_700_000_000 + ends;
    let claims = format!(r#"{{"sub":"{name}","exp":{exp}}}"#);
    format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
}

#[tokio::test(start_paused = true)]
async fn a_rotated_file_is_read_within_a_minute_behind_the_calls() {
    let mount = Mount::with("t1\n");
    assert_eq!(mount.sent().await, "Bearer t1");
    mount.rotate("t2\r\n");
    advance(SECOND * 45).await;
    assert_eq!(mount.sent().await, "Bearer t1", "not due yet");
    assert_eq!(mount.fetches(), 1);
    advance(SECOND * 7).await;
    assert_eq!(
        mount.sent().await,
        "Bearer t1",
        "due, and renewed behind this call"
    );
    assert_eq!(mount.after(Duration::ZERO).await, "Bearer t2");
    assert_eq!(mount.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_interval_can_be_chosen_and_nobody_reads_without_requests() {
    let mount = Mount::empty(|source| source.recheck(MINUTE * 10));
    fs::write(mount.path(), "t1").expect("written");
    assert_eq!(mount.sent().await, "Bearer t1");
    advance(MINUTE * 7).await;
    assert_eq!(mount.sent().await, "Bearer t1");
    assert_eq!(mount.fetches(), 1);
    mount.rotate("t2");
    advance(MINUTE * 600).await;
    assert_eq!(mount.fetches(), 1);
    assert_eq!(
        mount.sent().await,
        "Bearer t2",
        "the first call after a pause looks"
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_good_value_outlives_every_way_of_being_unreadable() {
    let mount = Mount::with("t1\n");
    let path = mount.path();
    assert_eq!(mount.sent().await, "Bearer t1");
    let large = "a".repeat(64 * 1024 + 1);
    let ways: [(&str, &dyn Fn()); 10] = [
        ("gone", &|| {}),
        ("empty", &|| fs::write(&path, "").expect("written")),
        ("one line break", &|| {
            fs::write(&path, "\n").expect("written")
        }),
        ("no text", &|| fs::write(&path, b"t2\xff").expect("written")),
        ("two lines", &|| {
            fs::write(&path, "t2\nt3\n").expect("written")
        }),
        ("a sentence", &|| {
            fs::write(&path, "vault is sealed").expect("written")
        }),
        ("large", &|| fs::write(&path, &large).expect("written")),
        ("a folder", &|| fs::create_dir(&path).expect("made")),
        ("a dangling link", &|| {
            symlink("nowhere", &path).expect("linked")
        }),
        ("a circle", &|| symlink("token", &path).expect("linked")),
    ];
    let mut fetches = 1;
    for (way, make) in ways {
        clear(&path);
        make();
        for _ in 0..3 {
            assert_eq!(mount.after(SECOND * 55).await, "Bearer t1", "{way}");
            fetches += 1;
            assert_eq!(
                mount.fetches(),
                fetches,
                "{way}: looked at once an interval"
            );
        }
    }
    clear(&path);
    fs::write(&path, "t2").expect("written");
    assert_eq!(mount.after(SECOND * 55).await, "Bearer t2");
    let counts = mount.auth.token("cluster").expect("a token slot").counts();
    assert_eq!(counts.failures, 0);
}

fn clear(path: &Path) {
    if fs::remove_file(path).is_err() {
        let _ = fs::remove_dir(path);
    }
}

#[tokio::test(start_paused = true)]
async fn a_folder_swapped_by_symlink_is_seen_as_kubernetes_does_it() {
    let mount = Mount::empty(|source| source);
    let folder = mount.folder.path();
    let fill = |version: &str, text: &str| {
        fs::create_dir(folder.join(version)).expect("made");
        fs::write(folder.join(version).join("token"), text).expect("written");
        symlink(version, folder.join("..data_tmp")).expect("linked");
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("swapped");
    };
    fill("..2026_01_01", "t1");
    symlink("..data/token", mount.path()).expect("linked");
    assert_eq!(mount.sent().await, "Bearer t1");
    fill("..2026_01_02", "t2");
    fs::remove_dir_all(folder.join("..2026_01_01")).expect("removed");
    assert_eq!(mount.after(SECOND * 55).await, "Bearer t2");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_read_when_it_is_done() {
    let mount = Mount::with("t2-ha");
    let path = mount.path();
    tokio::spawn(async move {
        sleep(MILLISECOND * 25).await;
        fs::write(path, "t2-half-and-half").expect("written");
    });
    let start = Instant::now();
    assert_eq!(mount.sent().await, "Bearer t2-half-and-half");
    assert_eq!(start.elapsed(), MILLISECOND * 100, "three looks");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_never_rests_is_not_believed() {
    let mount = Mount::with("t0");
    let path = mount.path();
    let writer = tokio::spawn(async move {
        for n in 1..40 {
            fs::write(&path, format!("t{n}")).expect("written");
            sleep(MILLISECOND * 50).await;
        }
    });
    assert_eq!(mount.sent().await, "Bearer t39", "the first look at rest");
    assert!(writer.is_finished());
    let counts = mount.auth.token("cluster").expect("a token slot").counts();
    assert_eq!((counts.fetches, counts.failures), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_comes_late_is_waited_for_and_the_error_names_it() {
    let mount = Mount::empty(|source| source);
    let start = Instant::now();
    let path = mount.path();
    let calling = tokio::spawn({
        let client = mount.client.clone();
        async move { send(&client).await }
    });
    sleep(SECOND / 2).await;
    fs::write(&path, "t1").expect("written");
    let sent = calling.await.expect("not panicked").expect("an answer");
    assert_eq!(sent, "Bearer t1");
    assert_eq!(start.elapsed(), SECOND + MILLISECOND * 50);

    let missing = Slot::token("cluster", source_file(path.with_extension("other")))
        .origin(origin())
        .wait(SECOND / 2);
    let (_, _, other) = client(missing);
    let error = send(&other).await.expect_err("a refusal");
    assert_eq!(refused(&error).reason(), Reason::BackingOff);
    let text = chain(&*error);
    assert!(text.contains("token.other"), "{text}");
    assert!(text.contains("No such file"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn pipes_and_devices_are_refused_without_a_wait() {
    let mount = Mount::empty(|source| source);
    let made = Command::new("mkfifo").arg(mount.path()).status();
    assert!(made.expect("mkfifo").success());
    for path in [mount.path(), "/dev/zero".into(), mount.folder.path().into()] {
        let slot = Slot::token("cluster", source_file(path))
            .origin(origin())
            .wait(SECOND / 2);
        let (_, _, client) = client(slot);
        let start = Instant::now();
        let error = send(&client).await.expect_err("a refusal");
        assert_eq!(start.elapsed(), Duration::ZERO);
        let text = chain(&*error);
        assert!(text.contains("no regular file"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_401_the_file_is_read_at_once() {
    let mount = Mount::with("t1");
    assert_eq!(mount.sent().await, "Bearer t1");
    mount.rotate("t2");
    mount.server.refuse("t1");
    advance(SECOND * 2).await;
    let start = Instant::now();
    let refused = mount.client.clone().oneshot(request()).await;
    let refused = refused.expect("an answer");
    assert!(refused.extensions().get::<Renewed>().is_some());
    assert_eq!(start.elapsed(), MILLISECOND * 50);
    assert_eq!(mount.sent().await, "Bearer t2");
}

#[tokio::test(start_paused = true)]
async fn a_jwt_is_read_again_before_it_ends() {
    let mount = Mount::with(&jwt("a", 20));
    let sent = mount.sent().await;
    assert!(sent.ends_with(&jwt("a", 20)));
    mount.rotate(&jwt("b", 4000));
    advance(SECOND * 15).await;
    assert_eq!(mount.sent().await, sent, "not due yet");
    assert_eq!(mount.fetches(), 1);
    let next = mount.after(SECOND * 2).await;
    assert!(next.ends_with(&jwt("b", 4000)));
    // From now on the interval is what counts.
    mount.rotate(&jwt("c", 8000));
    let next = mount.after(SECOND * 55).await;
    assert!(next.ends_with(&jwt("c", 8000)));
}

#[tokio::test(start_paused = true)]
async fn the_last_good_jwt_is_used_to_its_end_and_no_longer() {
    let mount = Mount::with(&jwt("a", 100));
    let sent = mount.sent().await;
    fs::remove_file(mount.path()).expect("removed");
    assert_eq!(mount.after(SECOND * 55).await, sent);
    advance(SECOND * 46).await;
    let calling = send(&mount.client);
    let error = tokio::time::timeout(SECOND * 40, calling).await;
    let error = error.expect("in time").expect_err("a refusal");
    let text = chain(&*error);
    assert!(!text.contains("e30."), "{text}");
    fs::write(mount.path(), jwt("b", 4000)).expect("written");
    advance(SECOND * 2).await;
    assert!(mount.sent().await.ends_with(&jwt("b", 4000)));
}

#[tokio::test(start_paused = true)]
async fn a_jwt_that_has_ended_by_this_clock_is_left_to_the_server() {
    let mount = Mount::with(&jwt("a", 100));
    mount.wall.store(3600, Ordering::SeqCst);
    assert!(mount.sent().await.ends_with(&jwt("a", 100)));
    // The clock is set right: nothing has to be undone.
    mount.wall.store(0, Ordering::SeqCst);
    assert!(mount.after(SECOND * 55).await.ends_with(&jwt("a", 100)));
}

#[tokio::test(start_paused = true)]
async fn a_late_rotation_is_looked_for_every_few_seconds() {
    let mount = Mount::with(&jwt("a", 30));
    mount.sent().await;
    // The end passes while the file stays as it is.
    for _ in 0..10 {
        mount.after(SECOND * 5).await;
    }
    mount.rotate(&jwt("b", 4000));
    assert!(mount.after(SECOND * 5).await.ends_with(&jwt("b", 4000)));
}
