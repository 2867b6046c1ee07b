//! What an error proves about its request.

use std::error::Error;

use call_context::{NeverLeft, Refusal, Unprocessed};

/// What an outcome proves: a response proves nothing, and so does an error that has no mark.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Proof {
    refusal: Option<Refusal>,
    unprocessed: Option<Unprocessed>,
    dialled: bool,
}

impl Proof {
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let refusal = NeverLeft::find(error);
        Self {
            refusal,
            unprocessed: Unprocessed::judge(error),
            // Known without anybody's mark: it is the client's own error, of an attempt to connect.
            dialled: refusal.is_some() && call_context::find::<NeverLeft>(error).is_none(),
        }
    }

    /// Whether the attempt tried to connect, and failed in that.
    pub(crate) fn dialled(self) -> bool {
        self.dialled
    }

    /// How the call was refused, if it never left.
    pub(crate) fn refusal(self) -> Option<Refusal> {
        self.refusal
    }

    /// Whether the attempt may have reached the server.
    ///
    /// A peer's claim was made by a peer that was reached.
    pub(crate) fn departed(self) -> bool {
        self.refusal.is_none() && self.unprocessed.is_none_or(Unprocessed::is_claim)
    }

    /// Whether sending the request again can do no harm, where the peer's claims are believed or not.
    pub(crate) fn makes_safe(self, believing_claims: bool) -> bool {
        let harmless = |unprocessed: Unprocessed| believing_claims || !unprocessed.is_claim();
        self.refusal.is_some() || self.unprocessed.is_some_and(harmless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_depart_and_proofs_do_not() {
        let unprocessed = |unprocessed| Proof {
            unprocessed: Some(unprocessed),
            ..Proof::default()
        };
        let refused = |refusal| Proof {
            refusal: Some(refusal),
            ..Proof::default()
        };
        for (proof, departed, safe, safe_if_believed) in [
            (Proof::default(), true, false, false),
            (unprocessed(Unprocessed::Undispatched), false, true, true),
            (unprocessed(Unprocessed::RefusedStream), true, false, true),
            (unprocessed(Unprocessed::GoAway), true, false, true),
            (refused(Refusal::Transient), false, true, true),
            (refused(Refusal::Local), false, true, true),
            (refused(Refusal::Permanent), false, true, true),
        ] {
            assert_eq!(proof.departed(), departed, "{proof:?}");
            assert_eq!(proof.makes_safe(false), safe, "{proof:?}");
            assert_eq!(proof.makes_safe(true), safe_if_believed, "{proof:?}");
        }
    }
}
