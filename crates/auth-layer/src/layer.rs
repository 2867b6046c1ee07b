//! Both halves in one.

use tower_layer::Layer;

use crate::{Attach, Auth, Gate};

/// Makes a [`Gate`] right above an [`Attach`], for stacks without a rate layer.
///
/// Between the halves nothing waits, and still a token can be thrown away there, by another request's 401: such a call is
/// refused as [`Reason::NotUsable`](crate::Reason::NotUsable), and a retry layer above sends it again.
///
/// With a rate layer, use [`Auth::gate`] above it and [`Auth::attach`] below.
#[derive(Clone, Debug)]
pub struct AuthLayer {
    auth: Auth,
}

impl AuthLayer {
    pub(crate) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Gate<Attach<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.auth.gate().layer(self.auth.attach().layer(inner))
    }
}
