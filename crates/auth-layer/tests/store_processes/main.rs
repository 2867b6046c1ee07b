//! Real processes on one store, before a server that takes each refresh token once and reuse for theft.
//!
//! Each test starts its own program again, with a role in the environment: see [`child`].
#![cfg(all(unix, feature = "file-store"))]

mod child;
mod server;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use auth_layer::Grant;
use auth_layer::store::{FileStore, MemoryStore, Stored};
use auth_layer::{SourceError, source_fn};
use tempfile::TempDir;

use child::{MARK, Role, STEPS};
use server::Server;

/// A folder in memory where there is one: what is tested is the order of steps, and a disk takes its time to sync each.
fn home() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir()
        && let Ok(folder) = tempfile::tempdir_in(memory)
    {
        return folder;
    }
    tempfile::tempdir().expect("a folder")
}

/// A store that holds the first refresh token, and an access token that has ended.
fn log_in(home: &TempDir) -> PathBuf {
    let path = home.path().join("grants").join("wallet.json");
    log_in_again(&path, 1);
    path
}

/// Puts the n-th refresh token.
fn log_in_again(path: &Path, n: u64) {
    let store = FileStore::new(path).expect("a path");
    let nothing = source_fn(|_| async { Err(SourceError::permanent("not asked")) });
    let grant = Grant::new(format!("t{n}"))
        .refresh_token(format!("r{n}"))
        .lifetime(Duration::ZERO);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stored = Stored::new(nothing, store).grant();
    runtime.block_on(stored.put(grant)).expect("stored");
}

/// A child, and what it says; killed by its own handle when dropped.
struct Running {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Running {
    fn start(test: &str, role: &Role) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .envs(role.environment())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process");
        let said = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, said }
    }

    /// The next thing that it says to its parent. It ends by itself in any case, so that this does too.
    fn says(&mut self) -> String {
        let mut other = String::new();
        loop {
            let mut line = String::new();
            let read = self.said.read_line(&mut line).expect("readable");
            assert!(read > 0, "it ended without a word: {other}");
            if let Some(said) = line.trim_end().strip_prefix(MARK) {
                return said.to_owned();
            }
            other += &line;
        }
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    fn kill(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("gone");
    }

    /// The last thing that it says, once it has ended by itself.
    fn result(mut self) -> String {
        let said = self.says();
        self.child.wait().expect("ended");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_processes_on_one_store_outlive_a_thousand_expiries_without_one_reuse() {
    if child::was_started() {
        return;
    }
    let test = "two_processes_on_one_store_outlive_a_thousand_expiries_without_one_reuse";
    let home = home();
    let (path, server) = (log_in(&home), Server::start(1000, false));
    let role = Role::new(&server, &path);
    let children = [(); 2].map(|()| Running::start(test, &role));
    let results = children.map(Running::result);
    let report = server.report();
    let mut renewals = 0;
    for result in &results {
        let mine = result
            .strip_prefix("renewed ")
            .unwrap_or_else(|| panic!("{results:?}"));
        let mine: u64 = mine.parse().expect("a number");
        assert!(mine > 0, "both take part: {results:?}");
        renewals += mine;
    }
    assert_eq!(report.reuses, 0, "{results:?}");
    assert!(report.taken >= 1000, "{report:?}");
    assert_eq!(
        renewals, report.taken,
        "each answer reached the one who asked"
    );
    let text = std::fs::read_to_string(&path).expect("there");
    let newest = format!(r#""refresh_token":"r{}""#, report.taken + 1);
    assert!(
        text.contains(&newest) && !text.contains("intent"),
        "the newest grant is stored"
    );
}

#[test]
fn wherever_a_process_is_killed_the_next_one_goes_on_or_asks_for_a_human_and_reuses_nothing() {
    if child::was_started() {
        return;
    }
    let test =
        "wherever_a_process_is_killed_the_next_one_goes_on_or_asks_for_a_human_and_reuses_nothing";
    for (step, without_leeway, taken_before) in STEPS {
        for leeway in [false, true] {
            let home = home();
            let (path, server) = (log_in(&home), Server::start(1000, leeway));
            let role = Role::new(&server, &path).once().leeway(leeway);
            let mut killed = Running::start(test, &role.clone().pause(step));
            assert_eq!(killed.says(), format!("at {step}"));
            assert_eq!(server.report().taken, *taken_before, "{step}");
            killed.kill();
            let next = Running::start(test, &role).result();
            let expected = if leeway { "Bearer t2" } else { without_leeway };
            assert_eq!(next, expected, "{step}, leeway {leeway}");
            let report = server.report();
            assert_eq!(report.reuses, 0, "{step}, leeway {leeway}");
            let taken = u64::from(expected == "Bearer t2" || *taken_before == 1);
            assert_eq!(report.taken, taken, "{step}, leeway {leeway}");
        }
    }
}

#[test]
fn processes_that_are_killed_at_random_reuse_nothing_and_the_next_one_always_knows_what_to_do() {
    if child::was_started() {
        return;
    }
    let test = "processes_that_are_killed_at_random_reuse_nothing_and_the_next_one_always_knows_what_to_do";
    let home = home();
    let (path, server) = (log_in(&home), Server::start(u64::MAX, false));
    let role = Role::new(&server, &path);
    for round in 0..30_u32 {
        let before = server.report().taken;
        let mut killed = Running::start(test, &role);
        // So far into a renewal, that is: after the answer, this many looks at the server's books.
        while server.report().taken <= before {
            assert!(!killed.has_ended(), "round {round}");
            std::thread::yield_now();
        }
        for _ in 0..round * 400 {
            server.report();
        }
        killed.kill();
        let next = Running::start(test, &role.clone().once()).result();
        let report = server.report();
        assert_eq!(report.reuses, 0, "round {round}: {next}");
        if next == "a human" {
            log_in_again(&path, report.taken + 1);
        } else {
            assert_eq!(
                next,
                format!("Bearer t{}", report.taken + 1),
                "round {round}"
            );
        }
    }
}

#[test]
fn the_server_of_these_tests_notices_a_reuse() {
    let server = Server::start(1000, false);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        // Two that do not know of each other.
        for (reuses, ok) in [(0, true), (1, false)] {
            let stored = Stored::new(server.source(), MemoryStore::new());
            let grant = Grant::new("t1")
                .refresh_token("r1")
                .lifetime(Duration::ZERO);
            stored.grant().put(grant).await.expect("stored");
            let outcome = child::client(stored, server.address());
            assert_eq!(child::ask(&outcome).await.is_ok(), ok);
            assert_eq!(server.report().reuses, reuses);
        }
    });
}
