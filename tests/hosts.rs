//! Two hosts on this machine, by port and by name, that answer by a script and write down all that they see.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{HOST, LOCATION};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tollgate::BoxError;
use tower::util::BoxCloneSyncService;
use tower::{ServiceExt, service_fn};

/// The secret that must not be seen anywhere but at host A.
pub(crate) const CANARY: &str = "canary-31f7";

pub(crate) type Body = Full<Bytes>;
pub(crate) type Client = BoxCloneSyncService<Request<Body>, Response<Incoming>, BoxError>;

/// What a host says to a path: a status, and headers.
type Script = HashMap<String, (u16, HeaderMap)>;

/// One request as a host has seen it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) host: char,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    /// Whether the secret is in it, wherever that may be.
    pub(crate) fn carries(&self) -> bool {
        let is_in = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(CANARY);
        let headers = self.headers.iter();
        is_in(self.target.as_bytes())
            || is_in(&self.body)
            || headers.fold(false, |found, (name, value)| {
                found || is_in(name.as_str().as_bytes()) || is_in(value.as_bytes())
            })
    }
}

/// Hosts A and B: loopback ports, and the names `a.test` and `b.test` without a port.
#[derive(Clone)]
pub(crate) struct Hosts {
    ports: [u16; 2],
    script: Arc<Mutex<Script>>,
    log: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<Mutex<Vec<char>>>,
}

impl Hosts {
    /// Both listen until the test's runtime ends, and answer 200 to what is not in the script.
    pub(crate) async fn start() -> Self {
        let mut hosts = Self {
            ports: [0; 2],
            script: Arc::default(),
            log: Arc::default(),
            connections: Arc::default(),
        };
        for (index, host) in ['A', 'B'].into_iter().enumerate() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
            let listener = listener.expect("a port");
            hosts.ports[index] = listener.local_addr().expect("an address").port();
            tokio::spawn(hosts.clone().listen(host, listener));
        }
        hosts
    }

    async fn listen(self, host: char, listener: TcpListener) {
        while let Ok((socket, _)) = listener.accept().await {
            lock(&self.connections).push(host);
            let hosts = self.clone();
            let answer = hyper::service::service_fn(move |request| {
                let hosts = hosts.clone();
                async move { Ok::<_, Infallible>(hosts.answer(host, request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), answer);
            tokio::spawn(connection);
        }
    }

    async fn answer(&self, host: char, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let scripted = lock(&self.script).get(head.uri.path()).cloned();
        lock(&self.log).push(Seen {
            host,
            target: head.uri.to_string(),
            headers: head.headers,
            body,
        });
        let mut response = Response::new(Body::default());
        if let Some((status, headers)) = scripted {
            *response.status_mut() = status.try_into().expect("a status");
            *response.headers_mut() = headers;
        }
        response
    }

    /// Replaces `{A}` and `{B}` by the hosts' ports.
    pub(crate) fn fill(&self, text: &str) -> String {
        let text = text.replace("{A}", &self.ports[0].to_string());
        text.replace("{B}", &self.ports[1].to_string())
    }

    /// Lets both hosts answer `status` to `path`, with these headers.
    pub(crate) fn say(&self, path: &str, status: u16, headers: HeaderMap) {
        lock(&self.script).insert(path.to_owned(), (status, headers));
    }

    /// Lets both hosts redirect `path`.
    pub(crate) fn redirect(&self, path: &str, status: u16, location: &str) {
        let location = self.fill(location).parse().expect("a header value");
        self.say(path, status, HeaderMap::from_iter([(LOCATION, location)]));
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.log).clone()
    }

    /// The requests in their order: host, target, and whether the secret came along.
    pub(crate) fn log(&self) -> Vec<String> {
        let line = |seen: Seen| {
            let load = if seen.carries() { "key" } else { "bare" };
            format!("{}{} {load}", seen.host, seen.target)
        };
        self.seen().into_iter().map(line).collect()
    }

    /// How often anybody has connected to `host`.
    pub(crate) fn connections(&self, host: char) -> usize {
        let connections = lock(&self.connections);
        connections.iter().filter(|&&to| to == host).count()
    }

    /// A client that knows no other names than these hosts', and finds B under every name that is not A's.
    ///
    /// `https` is spoken as if something in front of the hosts had taken the encryption off.
    pub(crate) fn client(&self) -> Client {
        let ports = self.ports;
        let names = service_fn(move |name: Name| async move {
            let port = match name.as_str().trim_end_matches('.') {
                "127.1" | "0x7f.1" | "localhost" => 0,
                "a.test" | "start.test" => ports[0],
                name if name.ends_with(".test") => ports[1],
                name => return Err(io::Error::other(format!("no such name: {name}"))),
            };
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            Ok([address].into_iter())
        });
        let mut connector = HttpConnector::new_with_resolver(names);
        connector.enforce_http(false);
        let client = legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
        BoxCloneSyncService::new(client.map_err(BoxError::from))
    }
}

/// The `Host` header, as the host has seen it.
pub(crate) fn host_header(seen: &Seen) -> &str {
    let host = seen.headers.get(HOST).expect("a Host header");
    host.to_str().expect("visible ASCII")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
