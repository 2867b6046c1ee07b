//! The same from two threads at once.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use benches::calls;
use benches::credentials::{self, Wallet};
use benches::retries::Caller;
use criterion::Criterion;
use tower::ServiceExt;

use crate::hammered::hammered;
use crate::passing::made;

pub(crate) fn measure(criterion: &mut Criterion) {
    let wallet = made(Wallet::fresh());
    shared(criterion, "bare", &credentials::bare());
    shared(criterion, "tollgate", &wallet.client());
    let peer = credentials::add_authorization();
    shared(criterion, "add_authorization", &peer);
    let peer = credentials::lock_and_format();
    shared(criterion, "lock_and_format", &peer);
}

/// Two threads send at once, each through a clone.
fn shared(criterion: &mut Criterion, function: &str, client: &(impl Caller + Sync)) {
    hammered(criterion, "credentials_contended", function, || {
        let mut outcome = pin!(client.clone().oneshot(calls::get_empty()));
        loop {
            let mut context = Context::from_waker(Waker::noop());
            // Pending where the other thread holds a lock.
            if let Poll::Ready(outcome) = outcome.as_mut().poll(&mut context) {
                break outcome.is_ok();
            }
            std::hint::spin_loop();
        }
    });
}
