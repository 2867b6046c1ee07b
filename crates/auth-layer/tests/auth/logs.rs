//! Whoever logs is the user's, and may come back.

use std::sync::{Arc, Mutex, OnceLock};

use auth_layer::TokenSlot;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::support::{SECOND, Supply, at_once, client, never, send, token};

/// Looks at the slot from another thread whenever something is logged: a lock that is held would keep that waiting.
#[derive(Clone, Default)]
struct Looks {
    slot: Arc<OnceLock<TokenSlot>>,
    answered: Arc<Mutex<Vec<bool>>>,
}

impl<S: tracing::Subscriber> Layer<S> for Looks {
    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        let slot = self.slot.get().expect("set before the first event").clone();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(slot.counts()));
        let answered = told.recv_timeout(SECOND * 5).is_ok();
        self.answered.lock().expect("not poisoned").push(answered);
    }
}

fn paused() -> Runtime {
    let mut builder = Builder::new_current_thread();
    let builder = builder.enable_time().start_paused(true);
    builder.build().expect("a runtime")
}

#[test]
fn nothing_is_logged_under_a_slots_lock() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| match n {
        1 => never(),
        _ => at_once(Ok(token(n).expires_in(100))),
    });
    let (auth, server, client) = client(slot.backoff(SECOND, SECOND));
    let looks = Looks::default();
    let slot = auth.token("wallet").expect("a token slot");
    looks.slot.set(slot.clone()).expect("once");
    let logs = tracing_subscriber::registry().with(looks.clone());
    let listening = tracing::subscriber::set_default(logs);
    // A fetch on a runtime that nobody drives, a token in use, a refused one, and a logout.
    let frozen = paused();
    frozen.block_on(async {
        let leader = client.clone();
        tokio::spawn(async move { send(&leader).await });
        sleep(SECOND).await;
    });
    paused().block_on(async {
        assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
        server.refuse("t2");
        send(&client).await.expect("an answer");
        slot.log_out().await.expect("nothing to tell");
    });
    drop(listening);
    let answered = looks.answered.lock().expect("not poisoned").clone();
    assert!(answered.len() >= 4, "{answered:?}");
    assert!(answered.iter().all(|answered| *answered), "{answered:?}");
}
