//! Which credential belongs where, and whether the one that came is good.

use super::{
    config::PortfolioCredential,
    envelope::unauthorized,
    keys::label,
    routes::Surface,
    system::{App, Caller},
};
use crate::{
    answer::Rejection,
    call::Call,
    exchange::System,
    faults::Faults,
    report::Credential,
    tokens::{Kind, Verdict},
};

/// Which credentials a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Nothing,
    Key,
    Wallet,
    /// Wallet or delegated JWT, or the key on the merchant channel.
    OnChain,
    Whatever,
}

impl App {
    fn expects(&self, surface: Surface) -> Expects {
        match surface {
            Surface::Capabilities => Expects::Nothing,
            Surface::Portfolio => match self.config.portfolio {
                PortfolioCredential::Wallet => Expects::Wallet,
                PortfolioCredential::BusinessKey => Expects::Key,
            },
            Surface::WalletAccount => Expects::Wallet,
            Surface::Execute => Expects::OnChain,
            Surface::Nowhere => Expects::Whatever,
            Surface::Feed
            | Surface::Chat
            | Surface::BusinessAccount
            | Surface::EndUsers
            | Surface::Deposits
            | Surface::AuthorizeSession
            | Surface::Token => Expects::Key,
        }
    }

    pub(super) fn credential(&self, call: &Call) -> Credential {
        match (call.credentials(), call.bearer()) {
            (0, _) => Credential::None,
            (1, Some(bearer)) if bearer.starts_with("sk_") => Credential::BusinessKey,
            (1, Some(bearer)) => {
                match self.common().tokens.read(bearer).map(|claims| claims.kind) {
                    Some(Kind::Wallet) => Credential::WalletJwt,
                    Some(Kind::Delegated) => Credential::DelegatedJwt,
                    _ => Credential::Unknown,
                }
            }
            (1, None) => Credential::Unknown,
            _ => Credential::Several,
        }
    }

    /// Whether this kind of credential belongs on this request.
    ///
    /// How the real system tells the merchant channel is unknown, so on execute routes a key and a JWT are both
    /// taken, unless the body says `"channel": "merchant"` or `"channel": "onchain"`: that is how a client tells the
    /// sandbox what it meant.
    pub(super) fn fits(&self, surface: Surface, call: &Call, credential: Credential) -> bool {
        let on_chain = matches!(credential, Credential::WalletJwt | Credential::DelegatedJwt);
        match self.expects(surface) {
            Expects::Whatever => true,
            Expects::Nothing => credential == Credential::None,
            Expects::Key => credential == Credential::BusinessKey,
            Expects::Wallet => credential == Credential::WalletJwt,
            Expects::OnChain => match call.field("channel").as_deref() {
                Some("merchant") => credential == Credential::BusinessKey,
                Some(_) => on_chain,
                None => on_chain || credential == Credential::BusinessKey,
            },
        }
    }

    /// The caller and the label of the window that counts it, or 401.
    pub(super) fn authenticate(
        &self,
        surface: Surface,
        call: &Call,
        faults: &Faults,
    ) -> Result<(Caller, Option<String>), Rejection> {
        let expects = self.expects(surface);
        if matches!(expects, Expects::Nothing | Expects::Whatever) {
            let principal = "anybody".into();
            return Ok((Caller { principal }, None));
        }
        let credential = self.credential(call);
        if credential == Credential::None {
            self.common().ledger.refused(None);
            return Err(Box::new(unauthorized(
                "UNAUTHORIZED",
                "this route wants a credential",
            )));
        }
        let wrong_kind = || {
            self.common().ledger.refused(None);
            match expects {
                Expects::Key => unauthorized("INVALID_API_KEY", "this route wants a business key"),
                _ => unauthorized("INVALID_TOKEN", "this route wants a user's token"),
            }
        };
        if !self.fits(surface, call, credential) {
            return Err(wrong_kind().into());
        }
        let Some(bearer) = call.bearer() else {
            return Err(wrong_kind().into());
        };
        if credential == Credential::BusinessKey {
            return match self.keys.find(bearer) {
                Some((label, true)) => Ok((
                    Caller {
                        principal: label.clone(),
                    },
                    Some(label),
                )),
                found => {
                    self.common()
                        .ledger
                        .refused(found.map(|_| Verdict::Invalidated));
                    Err(Box::new(unauthorized(
                        "INVALID_API_KEY",
                        "this business key is not accepted",
                    )))
                }
            };
        }
        let Some(claims) = self.common().tokens.read(bearer) else {
            return Err(wrong_kind().into());
        };
        let now = self.common().server_now(faults);
        match self.common().tokens.judge(&claims, now, faults) {
            Verdict::Good => {
                let counts = match claims.kind {
                    Kind::Delegated => self.config.count_delegated,
                    _ => self.config.count_wallet_reads && surface != Surface::Execute,
                };
                let principal = claims.sub.clone();
                Ok((Caller { principal }, counts.then(|| label(0))))
            }
            verdict => {
                self.common().ledger.refused(Some(verdict));
                Err(Box::new(unauthorized(
                    "INVALID_TOKEN",
                    "this token is not accepted",
                )))
            }
        }
    }
}
