//! A harness that runs one case a fixed number of times, in a function that callgrind can find by its name.

use std::hint::black_box;

use benches::{Client, Harness, requests, send_all};
use http::{Extensions, Request};
use tokio::runtime::Runtime;

/// How often the case is run before anything is counted.
const WARM_UP: usize = 1_000;
/// How often it is run while instructions are counted.
pub(crate) const ROUNDS: usize = 10_000;

/// Runs one case, and passes the others over.
pub(crate) struct Counted<'a> {
    case: &'a str,
    runtime: Runtime,
}

impl<'a> Counted<'a> {
    pub(crate) fn new(case: &'a str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        Self { case, runtime }
    }
}

impl Harness for Counted<'_> {
    fn op<T>(&mut self, group: &str, function: &str, mut op: impl FnMut() -> T) {
        if name(group, function) != self.case {
            return;
        }
        for _ in 0..WARM_UP {
            black_box(op());
        }
        counted_op(&mut op);
    }

    fn request<C: Client>(&mut self, group: &str, function: &str, client: impl FnOnce() -> C) {
        if name(group, function) != self.case {
            return;
        }
        let mut client = {
            let _context = self.runtime.enter();
            client()
        };
        let mut kept = Vec::with_capacity(ROUNDS);
        self.runtime
            .block_on(send_all(&mut client, &mut requests(WARM_UP), &mut kept));
        let mut kept = Vec::with_capacity(ROUNDS);
        counted_requests(&self.runtime, &mut client, &mut requests(ROUNDS), &mut kept);
    }

    fn call<Q>(
        &mut self,
        group: &str,
        function: &str,
        make: impl Fn() -> Q,
        mut send: impl AsyncFnMut(Q),
    ) {
        if name(group, function) != self.case {
            return;
        }
        let made = |count| (0..count).map(|_| make()).collect();
        self.runtime.block_on(send_each(made(WARM_UP), &mut send));
        counted_calls(&self.runtime, made(ROUNDS), &mut send);
    }
}

#[inline(never)]
fn counted_op<T>(op: &mut impl FnMut() -> T) {
    for _ in 0..ROUNDS {
        black_box(op());
    }
}

#[inline(never)]
fn counted_requests<C: Client>(
    runtime: &Runtime,
    client: &mut C,
    requests: &mut Vec<Request<()>>,
    kept: &mut Vec<Extensions>,
) {
    runtime.block_on(send_all(client, requests, kept));
}

#[inline(never)]
fn counted_calls<Q>(runtime: &Runtime, requests: Vec<Q>, send: &mut impl AsyncFnMut(Q)) {
    runtime.block_on(send_each(requests, send));
}

async fn send_each<Q>(requests: Vec<Q>, send: &mut impl AsyncFnMut(Q)) {
    for request in requests {
        send(request).await;
    }
}

/// Notes what cases there are.
#[derive(Default)]
pub(crate) struct Names(pub(crate) Vec<String>);

impl Harness for Names {
    fn op<T>(&mut self, group: &str, function: &str, _: impl FnMut() -> T) {
        self.0.push(name(group, function));
    }

    fn request<C: Client>(&mut self, group: &str, function: &str, _: impl FnOnce() -> C) {
        self.0.push(name(group, function));
    }

    fn call<Q>(&mut self, group: &str, function: &str, _: impl Fn() -> Q, _: impl AsyncFnMut(Q)) {
        self.0.push(name(group, function));
    }
}

fn name(group: &str, function: &str) -> String {
    format!("{group}/{function}")
}
