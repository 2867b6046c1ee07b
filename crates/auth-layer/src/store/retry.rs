//! Saves, behind the calls, a grant that could not be saved when it came.

use std::sync::Arc;
use std::time::Duration;

use super::session::{Session, Work};
use super::shared::Shared;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Starts trying, unless that runs already. Ends when the grant is saved or cleared, by whomever, or with the runtime; the next fetch
/// tries as well, and starts anew.
///
/// It keeps the grant in memory even after its slot is gone: nobody else knows it.
pub(super) fn start(shared: &Arc<Shared>, work: &mut Work) {
    if work.retry.as_ref().is_none_or(|task| task.is_finished()) {
        work.retry = Some(tokio::spawn(run(Arc::clone(shared))));
    }
}

async fn run(shared: Arc<Shared>) {
    let mut pause = SHORTEST;
    loop {
        tokio::time::sleep(pause).await;
        let work = Arc::clone(&shared.work).lock_owned().await;
        let mut session = Session::new(Arc::clone(&shared), work);
        if !session.is_unsaved() || session.save().await.is_ok() {
            // Under the lock: whoever has one to save from now on starts another.
            session.work.retry = None;
            return;
        }
        pause = (pause * 2).min(LONGEST);
    }
}
