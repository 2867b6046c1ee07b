//! Whoever logs is the user's, and may come back.

use std::cell::RefCell;
use std::rc::Rc;

use auth_layer::{Auth, Slot, TokenSlot};
use call_context::BoxError;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;
use tower::{Layer, ServiceExt};

use crate::log;
use crate::order::{echo, outcome};
use crate::support::{SECOND, Supply, at_once, client, never, origin, request, send, token};

/// Whether the slot answers another thread, which a lock that is held would keep waiting.
fn answers(slot: &TokenSlot) -> bool {
    let slot = slot.clone();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(slot.counts()));
    told.recv_timeout(SECOND * 5).is_ok()
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
    let slot = auth.token("wallet").expect("a token slot");
    let answered = Rc::new(RefCell::new(Vec::new()));
    let listening = log::listen({
        let (slot, answered) = (slot.clone(), Rc::clone(&answered));
        move |_| {
            let answers = answers(&slot);
            answered.borrow_mut().push(answers);
        }
    });
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
    let answered = answered.borrow();
    assert!(answered.len() >= 4, "{answered:?}");
    assert!(answered.iter().all(|answered| *answered), "{answered:?}");
}

#[tokio::test]
async fn a_gate_without_an_attacher_below_is_told_of_once() {
    let key = || Slot::key("business", "k1").origin(origin());
    let log = log::Log::default();
    let listening = log.listen();
    let told = || log.text().matches("Auth::attach").count();

    // In the right order, both in one, and where there is nothing to put on.
    let auth = Auth::single(key()).expect("a valid slot");
    let halves = auth.gate().layer(auth.attach().layer(echo()));
    assert_eq!(outcome(halves, request()).await.expect("sent"), "Bearer k1");
    let auth = Auth::single(key()).expect("a valid slot");
    outcome(auth.layer().layer(echo()), request())
        .await
        .expect("sent");
    let nothing = Auth::single(Slot::none("nothing").origin(origin())).expect("a valid slot");
    let bare = nothing.gate().layer(echo().map_err(BoxError::from));
    outcome(bare, request()).await.expect("sent");
    assert_eq!(told(), 0);

    let auth = Auth::single(key()).expect("a valid slot");
    let gate = auth.gate().layer(echo().map_err(BoxError::from));
    for _ in 0..2 {
        assert_eq!(outcome(gate.clone(), request()).await.expect("sent"), "");
        assert_eq!(told(), 1);
    }
    drop(listening);
}
