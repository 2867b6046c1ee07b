//! A reqwest client with layers, ready made.

use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tower_layer::Layer;

use crate::{LayerMiddleware, LayeredService, NextService, send_once};

/// Builds a reqwest client whose requests go through `layer`, and are sent once.
///
/// Applies [`send_once`] to `builder`, so that a redirect is an answer: reqwest by itself would follow it, and take a key
/// in a header of its own along to any host, and the one in `Authorization` too as soon as that host redirects once more.
/// Read there what else of a builder matters.
///
/// The layers are the only middleware. Others come *before* them, so that they see a call and not its attempts: see
/// [`LayerMiddleware::over_send_once`].
///
/// # Errors
///
/// Those of [`reqwest::ClientBuilder::build`]. For those of a call, see [`LayerMiddleware`].
///
/// ```
/// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tollgate::{MINUTE, Quota, Stack};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let origin = format!("http://{}", listener.local_addr()?);
/// # tokio::spawn(async move {
/// #     let (mut socket, _) = listener.accept().await?;
/// #     let mut seen = [0; 1024];
/// #     socket.read(&mut seen).await?;
/// #     socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await
/// # });
/// // Any layers will do; these put a key on each request and keep to 100 requests a minute.
/// let stack = Stack::new(origin.parse()?)
///     .key("sk_live_1")
///     .limit(Quota::rolling(100, MINUTE))
///     .build()?;
/// let client = reqwest_layer::client(reqwest::Client::builder().no_proxy(), stack)?;
///
/// let response = client.get(format!("{origin}/greeting")).send().await?;
/// assert_eq!(response.url().path(), "/greeting");
/// assert_eq!(response.text().await?, "hello");
/// # Ok::<(), call_context::BoxError>(())
/// # })?;
/// # Ok::<(), call_context::BoxError>(())
/// ```
pub fn client<L>(builder: reqwest::ClientBuilder, layer: L) -> reqwest::Result<ClientWithMiddleware>
where
    L: for<'a> Layer<NextService<'a>> + Send + Sync + 'static,
    for<'a> <L as Layer<NextService<'a>>>::Service: LayeredService,
{
    let client = send_once(builder).build()?;
    Ok(ClientBuilder::new(client)
        .with(LayerMiddleware::over_send_once(layer))
        .build())
}
