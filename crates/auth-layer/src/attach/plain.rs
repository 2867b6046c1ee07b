//! The way of almost every request: nothing on it asks a question.

use std::time::Instant;

use call_context::{CallContext, Guard};
use http::Request;
use http::header::AUTHORIZATION;

use super::Sent;
use crate::Auth;
use crate::auth::{Bound, Credential, has_override};

/// Which halves look at the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halves {
    /// The attacher, whether there is a gate above it or not.
    Attacher,
    /// Both at once.
    Both,
}

/// What is kept of a request that is on its way.
pub(crate) struct Departure {
    pub(crate) sent: Option<Sent>,
    pub(crate) deadline: Option<Instant>,
}

impl Auth {
    /// Puts a key or a token on a request that neither has to wait nor is refused, nor says anything about credentials itself.
    ///
    /// All that the halves check is checked here as well, but nothing is said: `None` is for them to look at again, and then the
    /// request has at most an empty context more than before.
    #[inline]
    pub(crate) fn put_on_plain<B>(
        &self,
        request: &mut Request<B>,
        halves: Halves,
    ) -> Option<Departure> {
        let (class, slot) = self.plain(request)?;
        if has_override(request) {
            return None;
        }
        let context = CallContext::of(request.extensions_mut());
        if !may_pass(context, slot, halves) {
            return None;
        }
        let (value, sent) = match (&slot.credential, halves) {
            (Credential::Key(key), _) => {
                let (value, id) = key.value();
                (value, id.map(|id| Sent::key(key, id)))
            }
            (Credential::Token(token), Halves::Attacher) => {
                let (value, sent) = token.value()?;
                (value, Some(sent))
            }
            (Credential::Token(token), Halves::Both) if token.is_fetching_here() => return None,
            (Credential::Token(token), Halves::Both) => {
                let (value, sent) = token.ready_value()?;
                (value, Some(sent))
            }
            (Credential::Nothing | Credential::Tenants(_), _) => return None,
        };
        if halves == Halves::Both {
            if let Some(class) = class {
                context.set_class(Some(class.clone()));
            }
            context.set_slot(slot.name.clone());
            context.enter(Guard::Gate);
        }
        context.enter(Guard::Attach);
        context.depart();
        let deadline = context.deadline();
        let headers = request.headers_mut();
        match slot.header == AUTHORIZATION {
            // The constant is hashed in half the time that a name takes which might be any.
            true => headers.insert(AUTHORIZATION, value),
            false => headers.insert(&slot.header, value),
        };
        Some(Departure { sent, deadline })
    }
}

/// Whether what the call has passed so far leaves nothing to say.
fn may_pass(context: &CallContext, slot: &Bound, halves: Halves) -> bool {
    if context.inside(Guard::Attach) {
        return false;
    }
    let gated = context.inside(Guard::Gate);
    match halves {
        Halves::Attacher => !gated || context.slot() == Some(&slot.name),
        Halves::Both => !gated && !context.inside(Guard::Place) && !context.inside(Guard::Rate),
    }
}
