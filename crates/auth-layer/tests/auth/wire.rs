//! The layers over real sockets on this machine.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use auth_layer::{Auth, Slot};
use bytes::Bytes;
use call_context::{BoxError, Renewed};
use futures_util::{StreamExt, stream};
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt};

use crate::support::{SECOND, Supply, at_once, token};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Accepts each token for a number of requests, and never one that is not the newest.
#[derive(Clone)]
struct Server {
    newest: Arc<AtomicU64>,
    uses: u64,
    log: Arc<Mutex<Vec<(String, StatusCode)>>>,
}

impl Server {
    /// Listens on a free port of this machine until the test's runtime ends.
    async fn start(uses: u64) -> (Self, SocketAddr) {
        let server = Self {
            newest: Arc::default(),
            uses,
            log: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let server = accepting.clone();
                let answer = move |request| {
                    let answer = server.answer(&request);
                    async move { Ok::<_, Infallible>(answer) }
                };
                let service = hyper::service::service_fn(answer);
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service);
                tokio::spawn(connection);
            }
        });
        (server, address)
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Empty<Bytes>> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = format!("Bearer t{}", self.newest.load(Ordering::SeqCst));
        let seen = request.headers().get_all(AUTHORIZATION);
        let seen: Vec<_> = seen.iter().map(|v| v.to_str().expect("ASCII")).collect();
        let used = log.iter().filter(|(token, _)| *token == newest).count();
        let known = seen == [&newest] && u64::try_from(used).expect("few") < self.uses;
        let status = match known {
            true => StatusCode::OK,
            false => StatusCode::UNAUTHORIZED,
        };
        log.push((seen.join(", "), status));
        let mut response = Response::new(Empty::new());
        *response.status_mut() = status;
        response
    }

    /// A slot whose source makes the server accept the tokens that it gives.
    fn slot(&self, address: SocketAddr) -> Slot {
        let newest = Arc::clone(&self.newest);
        let slot = Supply::default().slot(move |n, _| {
            newest.store(n, Ordering::SeqCst);
            at_once(Ok(token(n).expires_in(3600)))
        });
        let origin = format!("http://{address}").parse().expect("an origin");
        slot.origin(origin).backoff(SECOND / 100, SECOND / 100)
    }
}

fn client(
    auth: &Auth,
) -> impl Service<Request<Body>, Response = Response<Incoming>, Error = BoxError> + Clone {
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    auth.layer().layer(client)
}

#[tokio::test]
async fn fifty_requests_over_a_socket_each_carry_a_token_that_the_server_accepts_in_the_end() {
    let (server, address) = Server::start(10).await;
    let auth = Auth::single(server.slot(address)).expect("a valid slot");
    let client = client(&auth);
    for _ in 0..50 {
        let replay = async || {
            let request = Request::get(format!("http://{address}/a")).body(Body::default());
            let request = request.expect("a request");
            client.clone().oneshot(request).await.expect("an answer")
        };
        let mut response = replay().await;
        if response.extensions().get::<Renewed>().is_some() {
            response = replay().await;
        }
        assert_eq!(response.status(), StatusCode::OK);
    }
    let counts = auth.token("wallet").expect("a token slot").counts();
    assert_eq!(
        (counts.fetches, counts.renewals, counts.rejections),
        (5, 4, 4)
    );
    let log = server.log.lock().unwrap_or_else(PoisonError::into_inner);
    let accepted = log.iter().filter(|(_, status)| status.is_success());
    assert_eq!((accepted.count(), log.len()), (50, 54));
}

#[tokio::test]
async fn an_early_401_comes_up_renewed_while_the_body_still_streams() {
    let (server, address) = Server::start(0).await;
    let auth = Auth::single(server.slot(address)).expect("a valid slot");
    let start = stream::once(async { Ok(Frame::data(Bytes::from_static(b"and then"))) });
    let endless: Body = StreamBody::new(start.chain(stream::pending())).boxed_unsync();
    let request = Request::post(format!("http://{address}/a")).body(endless);
    let request = request.expect("a request");
    let response = client(&auth).oneshot(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.extensions().get::<Renewed>().is_some());
    assert_eq!(
        auth.token("wallet")
            .expect("a token slot")
            .counts()
            .renewals,
        1
    );
}
