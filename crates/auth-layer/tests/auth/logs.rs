//! Whoever logs is the user's, and may come back.

use std::cell::RefCell;
use std::rc::Rc;

use auth_layer::TokenSlot;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::log;
use crate::support::{SECOND, Supply, at_once, client, never, send, token};

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
