//! Remarks about an error that comes out as it was: left with the call's extensions, where layers in a middleware above find them.
//!
//! An error of the client cannot carry them, and above another boundary they still mean something: that a retry layer below has an
//! earlier deadline, say.

use std::sync::{Arc, Mutex, PoisonError};

use call_context::{BoxError, Remarked};
use http::Extensions;

/// Outermost last. Extensions are cloned, and errors are not.
#[derive(Clone)]
struct LeftBehind(Arc<Mutex<Vec<BoxError>>>);

/// Takes `error` out of its remarks, which go into `extensions`.
pub(super) fn leave(mut error: BoxError, extensions: &mut Extensions) -> BoxError {
    let mut remarks = Vec::new();
    loop {
        error = match error.downcast::<Remarked>() {
            Ok(remarked) => {
                let (remark, bare) = remarked.into_parts();
                remarks.insert(0, remark);
                bare
            }
            Err(bare) => {
                if !remarks.is_empty() {
                    extensions.insert(LeftBehind(Arc::new(Mutex::new(remarks))));
                }
                return bare;
            }
        };
    }
}

/// Puts `error` into the remarks that a middleware below has left in `extensions`, as it would be in a stack without a boundary.
pub(super) fn take_up(error: BoxError, extensions: &mut Extensions) -> BoxError {
    let Some(LeftBehind(remarks)) = extensions.remove() else {
        return error;
    };
    let remarks = std::mem::take(&mut *remarks.lock().unwrap_or_else(PoisonError::into_inner));
    remarks
        .into_iter()
        .fold(error, |error, remark| Remarked::new(remark, error).into())
}

/// Forgets what an earlier call with the same extensions has left.
pub(super) fn forget(extensions: &mut Extensions) {
    extensions.remove::<LeftBehind>();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_come_back_in_their_order_and_once() {
        let mut extensions = Extensions::new();
        let inner = Remarked::new("inner", "reset");
        let bare = leave(Remarked::new("outer", inner).into(), &mut extensions);
        assert_eq!(bare.to_string(), "reset");
        let whole = take_up(bare, &mut extensions);
        let texts = std::iter::successors(Some(&*whole as &dyn std::error::Error), |e| e.source());
        let texts: Vec<_> = texts.map(ToString::to_string).collect();
        assert_eq!(texts, ["outer", "inner", "reset"]);
        assert_eq!(take_up("next".into(), &mut extensions).to_string(), "next");

        leave(Remarked::new("stale", "reset").into(), &mut extensions);
        forget(&mut extensions);
        assert_eq!(take_up("next".into(), &mut extensions).to_string(), "next");
        leave("bare".into(), &mut extensions);
        assert!(extensions.is_empty());
    }
}
