//! Tokens from an OAuth 2.0 server (RFC 6749), over a client of your own. Needs the feature `oauth2`.
//!
//! | what | where it stands | for |
//! | --- | --- | --- |
//! | client credentials | [`OAuthClient::client_credentials`] | a program that acts for itself |
//! | refresh token | [`OAuthClient::refresh_token`] | a program that goes on acting for a person |
//! | authorization code with PKCE | [`OAuthClient::authorization_code`] | letting that person log in |
//! | giving tokens back (RFC 7009) | [`OAuthClient::revoke`] | letting that person log out |
//!
//! ```
//! use auth_layer::Slot;
//! use auth_layer::oauth::OAuthClient;
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//!
//! // With TLS, in a program of your own.
//! let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
//! let server = OAuthClient::new("https://id.example.com/oauth/token", "my-program", http)?.secret("s3cr3t");
//! let source = server.client_credentials().scope("read").param("audience", "https://api.example.com");
//! let slot = Slot::token("api", source).origin("https://api.example.com".parse()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A person logs in, and the grant goes to the store, or without one to [`RefreshToken::adopt`]:
//!
//! ```
//! # async fn example(
//! #     login: auth_layer::oauth::AuthorizationCode,
//! #     kept: auth_layer::store::StoredGrant,
//! #     slot: auth_layer::TokenSlot,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let grant = login.log_in(|url| { println!("Please open {url}"); Ok(()) }).await?;
//! kept.put(grant).await?;
//! slot.changed();
//! # Ok(())
//! # }
//! ```
//!
//! # The client
//!
//! Any Tower service that takes an [`http::Request`] whose body can be made of [`Bytes`](bytes::Bytes), as those of hyper, reqwest and
//! axum can. It is cloned for each request, and may be a stack with retries and limits of its own.
//!
//! It **must not follow redirects**: a token request carries secrets, and belongs to one server. A redirect that the client hands up
//! is an error; one that it follows cannot be seen from here. (hyper follows none; reqwest needs `redirect::Policy::none()`.)
//! The token endpoint is https, or on this machine, and nothing that a server says moves it.
//!
//! # What is believed of an answer
//!
//! - Status 200 alone is success, and only with a JSON object that has an `access_token`, a `token_type` of `Bearer` in any case, and no `error`.
//! - `expires_in` may be a number or a string of digits. Without a readable one the lifetime is unknown: see [`Grant::new`](crate::Grant::new).
//! - At most 256 KiB are read.
//!
//! # What fails for good
//!
//! | what the server says | and then |
//! | --- | --- |
//! | an `error` that says that the same request will fail again, such as `invalid_client`, `invalid_grant`, `unauthorized_client` | the slot refuses until [`TokenSlot::changed`](crate::TokenSlot::changed): [`OAuthError`] says what to do |
//! | a `token_type` that is not Bearer | the same |
//! | everything else: 5xx, 429, `temporarily_unavailable`, an unknown or unreadable answer, no connection | the slot tries again, after `Retry-After` where the server gives one |
//!
//! No error shows what the server has sent beyond its status and an `error` code of the standards, since a server may quote the
//! request, and its answer may hold tokens. An error of the client below is shown as it is.

mod answer;
mod ask;
mod client;
mod client_credentials;
mod code;
mod error;
mod refresh;
mod retry_after;
mod revoke;
mod transport;
mod url;

pub use self::client::OAuthClient;
pub use self::client_credentials::ClientCredentials;
pub use self::code::AuthorizationCode;
pub use self::error::OAuthError;
pub use self::refresh::RefreshToken;
pub use self::url::UrlError;
