//! The order of events, in a process of its own: whoever logs is the same for all threads.

use std::sync::OnceLock;
use std::time::Duration;

use auth_layer::{Auth, EventKind, Grant, Reason, Slot, TokenSlot, source_fn};
use tokio::time::sleep;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

static SLOT: OnceLock<TokenSlot> = OnceLock::new();

/// Logs the slot out when it hears that a token is in use: it runs at that very moment.
struct LogsOut;

impl<S: tracing::Subscriber> Layer<S> for LogsOut {
    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        let slot = SLOT.get().expect("set before the first event");
        if slot.current().is_some() {
            drop(slot.log_out());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn events_come_in_the_order_in_which_things_happen() {
    let source = source_fn(|_| async {
        sleep(Duration::from_secs(1)).await;
        Ok(Grant::new("t1").expires_in(100))
    });
    let origin = "https://api.example.com".parse().expect("an origin");
    let auth = Auth::single(Slot::token("wallet", source).origin(origin)).expect("a valid slot");
    let slot = SLOT.get_or_init(|| auth.token("wallet").expect("a token slot").clone());
    let logs = tracing_subscriber::registry().with(LogsOut);
    tracing::subscriber::set_global_default(logs).expect("the first one");
    let mut events = auth.subscribe();
    let error = slot.usable_token().await.expect_err("logged out at once");
    assert_eq!(error.reason(), Reason::LoggedOut);
    for expected in [EventKind::Renewed, EventKind::LoggedOut] {
        assert_eq!(events.next().await.expect("an event").kind, expected);
    }
}
