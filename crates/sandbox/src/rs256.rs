//! RS256 for `jsonwebtoken` with a key that lives in this process only.
//!
//! The crate's own backends bring every algorithm that a token can have; a sandbox needs one, and its first build
//! is waited for. So the provider here is `rsa` alone, and the key is made when the first server starts.

use std::{io, sync::OnceLock};

use getrandom::SysRng;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
};
use rsa::{PrivateKey, PublicKey, sha2::Sha256, traits::PublicKeyParts};
use signature::{Signer, Verifier};

const BITS: usize = 2048;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

static KEYS: OnceLock<Option<Keys>> = OnceLock::new();

/// The key pair of this process.
pub(crate) struct Keys {
    private: PrivateKey,
    public: PublicKey,
    /// What `jsonwebtoken` wants to be handed; the provider takes the key from here instead.
    pub(crate) encoding: EncodingKey,
    pub(crate) decoding: DecodingKey,
}

impl Keys {
    /// The pair, made on first use: some hundred milliseconds, so not on a thread that drives tasks.
    pub(crate) async fn ready() -> io::Result<&'static Self> {
        if KEYS.get().is_none() {
            tokio::task::spawn_blocking(|| KEYS.get_or_init(Self::make).is_some())
                .await
                .map_err(io::Error::other)?;
        }
        Self::get().ok_or_else(|| io::Error::other("no RSA key could be made for this process"))
    }

    fn get() -> Option<&'static Self> {
        KEYS.get().and_then(Option::as_ref)
    }

    fn make() -> Option<Self> {
        PROVIDER.install_default().ok()?;
        let private = PrivateKey::new(&mut SysRng, BITS).ok()?;
        let public = private.to_public_key();
        Some(Self {
            encoding: EncodingKey::from_rsa_der(&[]),
            decoding: DecodingKey::from_rsa_raw_components(&public.n_bytes(), &public.e_bytes()),
            private,
            public,
        })
    }
}

struct Rs256(&'static Keys);

fn keys(algorithm: &Algorithm) -> Result<Rs256, Error> {
    match (algorithm, Keys::get()) {
        (Algorithm::RS256, Some(keys)) => Ok(Rs256(keys)),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn signer(algorithm: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Ok(Box::new(keys(algorithm)?))
}

fn verifier(algorithm: &Algorithm, _: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    Ok(Box::new(keys(algorithm)?))
}

impl Signer<Vec<u8>> for Rs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        self.0
            .private
            .pkcs1v15_sign::<Sha256>(message)
            .map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

impl Verifier<Vec<u8>> for Rs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.0
            .public
            .pkcs1v15_verify::<Sha256>(message, signature)
            .map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}
