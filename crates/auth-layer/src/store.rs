//! Keeps a grant beyond the process and between processes, and spends each refresh token once.
//!
//! A server that rotates refresh tokens takes each of them once, and takes a second use for theft: it revokes all that came of
//! the login. So a refresh token must not be sent by two processes, nor twice by one, nor be forgotten with its successor
//! on the way. [`Stored`] wraps a [`Source`](crate::Source) to that end, and a [`GrantStore`] holds what it keeps: a
//! [`MemoryStore`], a `FileStore`, or one of your own (a key chain, a database).
//!
//! ```
//! use auth_layer::store::{MemoryStore, Stored};
//! use auth_layer::{Auth, Grant, Slot, SourceError, source_fn};
//! use http::{Request, Response, header::AUTHORIZATION};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let renew = source_fn(|fetch| async move {
//!     let Some(refresh_token) = fetch.refresh_token() else {
//!         return Err(SourceError::permanent("nobody has logged in yet"));
//!     };
//!     // Send it to the token endpoint here. It is sent once.
//!     assert_eq!(refresh_token.expose(), "r1");
//!     Ok(Grant::new("a.b.d").expires_in(3600).refresh_token("r2"))
//! });
//! // With a `FileStore` instead, other processes share it, and the next start goes on with it.
//! let stored = Stored::new(renew, MemoryStore::new());
//! let kept = stored.grant();
//! let wallet = Slot::token("wallet", stored).origin("https://api.example.com".parse()?);
//! let auth = Auth::single(wallet)?;
//!
//! // A login, anywhere in the program.
//! kept.put(Grant::new("a.b.c").expires_in(3600).refresh_token("r1")).await?;
//!
//! let api = service_fn(|request: Request<String>| async move {
//!     let token = request.headers()[AUTHORIZATION].to_str().map(str::to_owned);
//!     Ok::<_, std::convert::Infallible>(Response::new(token))
//! });
//! let client = auth.layer().layer(api);
//! let request = || Request::get("https://api.example.com/portfolio").body(String::new());
//! assert_eq!(client.clone().oneshot(request()?).await?.into_body()?, "Bearer a.b.c");
//! auth.token("wallet").expect("a slot").invalidate();
//! assert_eq!(client.oneshot(request()?).await?.into_body()?, "Bearer a.b.d");
//! # Ok(())
//! # }
//! ```
//!
//! # What a fetch does
//!
//! 1. Looks at the store. A token there that the slot has not had yet, and that still lives, is handed out: nothing is sent.
//! 2. Takes the store's lock, for a [bounded](Stored::lock_wait) time, and looks again.
//! 3. Writes down the *intent* to spend the refresh token: its SHA-256 and the time.
//! 4. Sends it: asks the source inside, with the stored refresh token.
//! 5. Commits what came, the intent gone, and gives the lock back. Without a new refresh token the old one stays (RFC 6749, section
//!    6).
//!
//! From the lock on, this runs in a task of its own: a [fetch timeout](crate::Slot::fetch_timeout) or a caller that goes away
//! does not stop it, and the next fetch finds what it has brought.
//!
//! # What is guaranteed
//!
//! | what happens | what follows |
//! | --- | --- |
//! | several slots or processes want to renew at once | one does, the others adopt what it got |
//! | a process starts, and the stored token lives | it is used; nothing is fetched |
//! | a process is killed while it holds the lock | the lock is free again |
//! | ... before the intent was written | the next one goes on |
//! | ... after that, and before the commit | nobody knows whether the token was used up: within a [declared leeway](Stored::reuse_leeway) of the server it is sent again; else the slot is refused with [`NeedsHuman`], and nothing is sent |
//! | ... after the commit | the next one adopts |
//! | the source panics, gives no clear answer, or loses its runtime | as if killed between intent and commit |
//! | the request surely never left, or the server surely refused it | the intent is taken back. "Surely": [`NeverLeft`](call_context::NeverLeft) in the error's chain, [`SourceError::permanent`](crate::SourceError::permanent), [`SourceError::unspent`](crate::SourceError::unspent) |
//! | the server says [`invalid_grant`](crate::SourceError::invalid_grant) | the store is read again first: another grant there is used instead of the refusal, and is never overwritten by it |
//! | the intent cannot be written | nothing is sent |
//! | the commit fails | the grant is used, kept in memory with the lock held, and written again and again, in the background after 1 s doubling to 60 s and with each fetch; an error event says so, [`EventKind::GrantUnsaved`](crate::EventKind::GrantUnsaved), and [`StoredGrant::state`] |
//! | the store hangs | each reading, writing and emptying of it has failed after 5 s. Where it was to be read, nothing is sent, the fetch has failed, and the next one asks it again; what it still answers is dropped |
//! | ... when a logout empties it | the slot is logged out and the server told, though not of a refresh token that could not be read; the logout's future and an error event say that the store may still hold the grant. One that could not be stored before is not stored any more |
//! | the stored text cannot be read, or is of a newer format | the slot is refused; nothing is written. Only a new login takes the place of what cannot be read; what is of a newer format stays, and the error says to update this program |
//! | the store is emptied | what it held is not used: the source begins anew, or refuses |
//! | the wall clock jumps | a stored token never lives longer than its stated lifetime from now, and an intent "from the future" is within no leeway |
//! | ... back by less than has passed since another process was killed | the intent seems younger than it is; the clock that counts from the machine's start says how old it is at least ([`Stored::boot_clock`]). Without such a clock, and between machines, that cannot be told, and a declared leeway is longer |
//! | the machine is started anew | a declared leeway of a store on this machine is over, since nobody knows how long that took |
//!
//! # What cannot be had
//!
//! A process that is killed between the server's answer and the commit takes with it what it alone knew. No order of steps avoids
//! that; all that can be done is to notice, to never send the old refresh token in silence, and to ask. The same is true of a
//! machine whose disk does not keep what it says it has synced, and of a runtime that is shut down: its tasks are dropped
//! where they stand. While a runtime is not driven, a renewal on it keeps the lock; so does one whose source waits for a place
//! in a rate limit.
//!
//! The lock keeps out those who ask for it. A program that renews the same grant by itself does not.
//!
//! # To log in and out
//!
//! [`Stored::grant`] gives a handle: [`put`](StoredGrant::put) keeps the grant of a new login, [`clear`](StoredGrant::clear)
//! forgets it and hands over what is to be revoked, [`forget_intent`](StoredGrant::forget_intent) is a human's word that a lost
//! answer does not matter.
//!
//! With the feature `oauth2`, a person who logs in with a browser, at the start and whenever the slot refuses for good:
//!
//! ```
//! # #[cfg(feature = "oauth2")]
//! # async fn example(server: auth_layer::oauth::OAuthClient) -> Result<(), Box<dyn std::error::Error>> {
//! use auth_layer::store::{MemoryStore, Stored};
//! use auth_layer::{Auth, Slot};
//!
//! let login = server.authorization_code("https://id.example.com/authorize")?.scope("offline_access");
//! let stored = Stored::new(server.refresh_token(), MemoryStore::new());
//! let kept = stored.grant();
//! let auth = Auth::single(Slot::token("person", stored).origin("https://api.example.com".parse()?))?;
//!
//! kept.put(login.log_in(|url| { println!("Please open {url}"); Ok(()) }).await?).await?;
//! auth.token("person").expect("it was just made").changed();
//! # Ok(())
//! # }
//! ```
//!
//! A refresh token alone, from a settings page of the server, say, is put as
//! [`Grant::refresh_only`](crate::Grant::refresh_only).
//!
//! # Secrets
//!
//! What is kept is overwritten in memory when dropped, as far as this crate has it in hand, and never printed. On disk it is
//! plain text: whoever can read the file has the grant.

mod boot;
mod clear;
mod decide;
mod error;
#[cfg(all(unix, feature = "file-store"))]
mod file;
mod handle;
mod limit;
mod memory;
mod record;
mod renewal;
mod replace;
mod retry;
mod session;
mod shared;
mod stand;
mod stored;

use std::pin::Pin;
use std::sync::Arc;

pub use self::clear::Cleared;
pub use self::error::{NeedsHuman, StoreError};
#[cfg(all(unix, feature = "file-store"))]
pub use self::file::FileStore;
pub use self::handle::StoredGrant;
pub use self::memory::MemoryStore;
pub use self::stored::Stored;
use crate::Secret;

/// The future that a store returns.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Where a [`Stored`] keeps its grant: one text, all of it secret, in a format that only [`Stored`] knows.
///
/// # What is asked of one
///
/// - The lock keeps out every other holder, in this process and in all others, and ends with the process.
/// - Reading gives what was last saved, whole, or what was saved before, whole.
/// - What is saved is there after a crash of the machine as soon as `save` says so.
///
/// # Cancellation
///
/// A future may be dropped at any time, and is dropped where it takes too long: each reading, writing and emptying has 5 s, and has then
/// failed for now; the lock has as long as [`Stored::lock_wait`] says. One that waits for the lock then leaves nothing behind. What was to be
/// saved may be saved or not, and what was to be removed may be gone or not; but not after something that the same lock is asked to
/// do later, nor after another one has got the lock: one that is dropped while its work goes on is free when that has ended.
pub trait GrantStore: Send + Sync + 'static {
    /// Reads the text without the lock; `None` where there is none.
    fn load(&self) -> StoreFuture<'_, Option<Secret>>;

    /// Waits for the lock, until it is dropped: whoever calls sets a time.
    fn lock(&self) -> StoreFuture<'_, Box<dyn StoreLock>>;

    /// A name for errors and events, such as a path. Nothing secret.
    fn place(&self) -> String;

    /// Whether programs on several machines use it, which is what is believed of a store that does not say. Of a store of one machine it
    /// is known that the machine was started anew where its own clock begins anew: then a [leeway](Stored::reuse_leeway) is over.
    fn has_many_machines(&self) -> bool {
        true
    }
}

/// The exclusive right to a store, given back when it is dropped.
pub trait StoreLock: Send + Sync + 'static {
    /// Reads the text; `None` where there is none.
    fn load(&mut self) -> StoreFuture<'_, Option<Secret>>;

    /// Replaces the text, durably, by all of the new one or not at all.
    fn save(&mut self, text: Secret) -> StoreFuture<'_, ()>;

    /// Removes the text, durably. Nothing there is nothing wrong.
    fn remove(&mut self) -> StoreFuture<'_, ()>;
}

impl<T: GrantStore + ?Sized> GrantStore for Arc<T> {
    fn load(&self) -> StoreFuture<'_, Option<Secret>> {
        (**self).load()
    }

    fn lock(&self) -> StoreFuture<'_, Box<dyn StoreLock>> {
        (**self).lock()
    }

    fn place(&self) -> String {
        (**self).place()
    }

    fn has_many_machines(&self) -> bool {
        (**self).has_many_machines()
    }
}

/// Where a process stands with its store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreState {
    /// The store is empty, or has not been looked at.
    #[default]
    Unknown,
    /// What this process uses is in the store.
    Saved,
    /// The newest grant could not be written to the store: this process alone knows it, keeps the store locked, and tries again
    /// until it can.
    Unsaved,
    /// A renewal's answer was lost, and a human has to decide: see [`NeedsHuman`].
    NeedsHuman,
}
