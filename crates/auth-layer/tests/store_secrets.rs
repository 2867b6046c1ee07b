//! Planted secrets, looked for wherever something about a store prints.
//!
//! A program of its own: a subscriber to all events must be in place before the first one.

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "store/commons.rs"]
mod commons;
#[expect(dead_code, reason = "shared with the other tests")]
#[path = "auth/support.rs"]
mod support;

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use auth_layer::store::{GrantStore, MemoryStore, Stored};
use auth_layer::{Grant, SourceError};
use tracing_subscriber::fmt::MakeWriter;

use commons::{Process, Saving, Shelf, scripted};
use support::{SECOND, at_once, chain, send};

const CANARY: &str = "canary-7f3a";

/// Everything that has been printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn show(&self, what: &(impl Debug + ?Sized)) {
        let mut text = String::new();
        write!(text, "{what:?} {what:#?}").expect("printed");
        self.add(text.as_bytes());
    }

    fn add(&self, bytes: &[u8]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
    }

    fn text(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&all).into_owned()
    }
}

impl std::io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Printed {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What has been printed so far, by all tests: every event, and what they add.
fn printed() -> &'static Printed {
    static PRINTED: OnceLock<Printed> = OnceLock::new();
    PRINTED.get_or_init(|| {
        let printed = Printed::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(printed.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("the first one");
        printed
    })
}

fn grant(n: u64) -> Grant {
    Grant::new(format!("{CANARY}-t{n}"))
        .refresh_token(format!("{CANARY}-r{n}"))
        .expires_in(100)
}

async fn show_refusal(process: &Process) {
    process.token().invalidate();
    let error = send(&process.client).await.expect_err("a refusal");
    printed().show(&error);
    printed().add(chain(&*error).as_bytes());
}

#[tokio::test(start_paused = true)]
async fn no_event_error_or_type_of_a_store_prints_what_it_keeps() {
    let printed = printed();
    let shelf = Shelf::default();
    let source = scripted(|n, fetch| {
        printed.show(&fetch);
        at_once(match n {
            1 | 2 => Ok(grant(n)),
            3 => Err(SourceError::temporary("reset")),
            4 => Err(SourceError::invalid_grant("revoked")),
            _ => panic!("{CANARY}, as a careless source might say"),
        })
    });
    let stored = Stored::new(source, shelf.clone());
    printed.show(&stored);
    let process = Process::of(stored);
    printed.show(&process.grant);
    process.grant.put(grant(0)).await.expect("stored");
    send(&process.client).await.expect("a token");
    // A commit that fails, and is made good in the background.
    shelf.script([Saving::Works, Saving::Fails, Saving::Fails, Saving::Works]);
    process.token().invalidate();
    send(&process.client).await.expect("a token");
    printed.show(&process.grant);
    tokio::time::sleep(SECOND * 10).await;
    process.token().invalidate();
    send(&process.client).await.expect("a token");
    // A lost answer, a refusal, and a panic.
    show_refusal(&process).await;
    process.grant.forget_intent().await.expect("written");
    process.token().changed();
    show_refusal(&process).await;
    process.token().changed();
    show_refusal(&process).await;
    printed.show(&process.grant.clear().await.expect("emptied"));

    // What cannot be read, and holds secrets all the same.
    for broken in [
        format!(r#"{{"version":1,"access_token":"{CANARY}","obtained_ms":"{CANARY}"}}"#),
        format!(r#"{{"version":2,"access_token":"{CANARY}"}}"#),
        format!(r#"{{"version":1,"{CANARY}":1}}"#),
    ] {
        shelf.set(broken);
        let process = Process::with(shelf.clone(), |_, _| panic!("nothing to send"));
        show_refusal(&process).await;
    }

    let memory = MemoryStore::new();
    let mut lock = memory.lock().await.expect("free");
    lock.save(CANARY.into()).await.expect("saved");
    printed.show(&memory);
    printed.show(&memory.load().await.expect("loaded"));

    let text = printed.text();
    for expected in [
        "could not be stored",
        "no space left",
        "the grant is stored",
        "answer was lost",
        "needs a human",
        "may have been used up",
        "the shelf",
        "version 2",
        "Cleared",
        "Secret(..)",
    ] {
        assert!(text.contains(expected), "`{expected}` is missing in {text}");
    }
    assert!(!text.contains(CANARY), "{text}");
}

#[cfg(all(unix, feature = "file-store"))]
#[tokio::test]
async fn no_error_about_a_file_prints_what_is_in_it() {
    use std::fs;

    let printed = printed();
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("grants").join("wallet.json");
    let store = auth_layer::store::FileStore::new(&path).expect("a path");
    printed.show(&store);
    let mut lock = store.lock().await.expect("free");
    lock.save(CANARY.into()).await.expect("saved");
    let aside = home.path().join("grants").join("wallet.json.new");
    fs::create_dir_all(aside.join("full")).expect("made");
    let error = lock.save(CANARY.into()).await.expect_err("blocked");
    printed.show(&error);
    printed.add(chain(&error).as_bytes());
    fs::write(&path, [CANARY.as_bytes(), b"\xff"].concat()).expect("written");
    let error = lock.load().await.expect_err("no text");
    printed.show(&error);
    printed.add(chain(&error).as_bytes());
    let text = printed.text();
    for expected in ["wallet.json", "could not remove", "holds no text"] {
        assert!(text.contains(expected), "`{expected}` is missing in {text}");
    }
    assert!(!text.contains(CANARY), "{text}");
}
