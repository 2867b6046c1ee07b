//! Token server and API in one, on a free port of this machine.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use auth_layer::{Grant, Source, SourceError, source_fn};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};

/// How often the API takes each access token.
const USES: u64 = 3;

pub(crate) struct Server {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// Refresh tokens that were used up.
    pub(crate) taken: u64,
    /// How often one came that had been.
    pub(crate) reuses: u64,
}

struct Books {
    report: Report,
    uses: u64,
    /// Enough is enough after so many.
    enough: u64,
    /// Whether the newest one that was used up may come again.
    grace: bool,
}

impl Books {
    /// The n-th refresh token is `r`n, and brings `t`(n+1) and the next one.
    fn token(&mut self, sent: &str) -> (StatusCode, String) {
        let n: u64 = sent[1..].parse().expect("one of its own");
        if self.report.reuses > 0 || n > self.report.taken + 1 {
            return (StatusCode::BAD_REQUEST, String::new());
        }
        if n == self.report.taken + 1 {
            self.report.taken = n;
            self.uses = 0;
        } else if !(self.grace && n == self.report.taken) {
            // Theft: nothing that came of this login is taken from now on.
            self.report.reuses += 1;
            return (StatusCode::BAD_REQUEST, String::new());
        }
        (StatusCode::OK, (n + 1).to_string())
    }

    fn api(&mut self, credential: &str) -> (StatusCode, String) {
        let newest = format!("Bearer t{}", self.report.taken + 1);
        if credential != newest || self.uses >= USES || self.report.reuses > 0 {
            return (StatusCode::UNAUTHORIZED, String::new());
        }
        self.uses += 1;
        if self.report.taken >= self.enough {
            // All may see the end of it.
            self.uses = 0;
            return (StatusCode::OK, "enough".to_owned());
        }
        (StatusCode::OK, credential.to_owned())
    }
}

fn lock(books: &Mutex<Books>) -> std::sync::MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    pub(crate) fn start(enough: u64, grace: bool) -> Self {
        let books = Arc::new(Mutex::new(Books {
            report: Report {
                taken: 0,
                reuses: 0,
            },
            uses: 0,
            enough,
            grace,
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let answering = Arc::clone(&books);
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let books = Arc::clone(&answering);
                let service = hyper::service::service_fn(move |request| {
                    let books = Arc::clone(&books);
                    async move { Ok::<_, Infallible>(answer(&books, request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service);
                tokio::spawn(connection);
            }
        });
        Self {
            address,
            books,
            _runtime: runtime,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn report(&self) -> Report {
        lock(&self.books).report.clone()
    }

    pub(crate) fn source(&self) -> impl Source {
        source(self.address)
    }
}

async fn answer(books: &Mutex<Books>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let text = std::str::from_utf8(&body).expect("a text");
    let (status, text) = if head.uri.path() == "/token" {
        lock(books).token(text)
    } else {
        let credential = head.headers[AUTHORIZATION].to_str().expect("ASCII");
        lock(books).api(credential)
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

/// Asks the token server at `address`.
pub(crate) fn source(address: SocketAddr) -> impl Source {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    source_fn(move |fetch| {
        let client = client.clone();
        let sent = fetch.refresh_token().map(|token| token.expose().to_owned());
        async move {
            let sent = sent.ok_or_else(|| SourceError::permanent("log in first"))?;
            let request = Request::post(format!("http://{address}/token"))
                .body(Full::from(sent))
                .map_err(SourceError::permanent)?;
            let response = client
                .request(request)
                .await
                .map_err(SourceError::temporary)?;
            let status = response.status();
            let body = response.into_body().collect().await;
            let body = body.map_err(SourceError::temporary)?.to_bytes();
            if status != StatusCode::OK {
                return Err(SourceError::invalid_grant("invalid_grant"));
            }
            let n = String::from_utf8_lossy(&body).into_owned();
            Ok(Grant::new(format!("t{n}"))
                .refresh_token(format!("r{n}"))
                .expires_in(3600))
        }
    })
}
