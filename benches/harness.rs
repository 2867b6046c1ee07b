//! What a case asks of whoever measures it: criterion's clock, or valgrind's count of instructions.

use crate::requests::Client;

/// Measures cases.
pub trait Harness {
    /// Measures one `op`, and the drop of what it returns.
    fn op<T>(&mut self, group: &str, function: &str, op: impl FnMut() -> T);

    /// Measures one request's way through `client`, which is made within the runtime that drives it.
    fn request<C: Client>(&mut self, group: &str, function: &str, client: impl FnOnce() -> C);

    /// Measures `send` with one of the requests that `make` makes beforehand. Both run within a runtime.
    fn call<Q>(
        &mut self,
        group: &str,
        function: &str,
        make: impl Fn() -> Q,
        send: impl AsyncFnMut(Q),
    );
}
