//! What the layer says in the log, and what it never says. Apart from the other tests: the log is the whole process's.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use retry_layer::RetryLayer;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The process's log, from the finest level on.
    fn of_the_process() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self::default();
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .with_writer(log.clone())
                .init();
            log
        })
    }

    fn text(&self) -> String {
        let bytes = self.0.lock().expect("no test panics with it").clone();
        String::from_utf8(bytes).expect("text")
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().expect("no test panics with it");
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn prompt() -> RetryLayer {
    RetryLayer::new().base(Duration::ZERO)
}

#[tokio::test(start_paused = true)]
async fn a_retry_layer_below_another_one_says_so_once() {
    let log = Log::of_the_process();
    let busy = service_fn(async |_: Request<()>| {
        let response = Response::builder().status(503);
        Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).expect("a response"))
    });
    let stack = prompt().layer(prompt().layer(busy));
    for _ in 0..2 {
        let outcome = stack.clone().oneshot(Request::new(())).await;
        assert_eq!(outcome.expect("a response").status(), 503);
    }
    let text = log.text();
    assert_eq!(text.matches("below another one").count(), 1, "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_log_holds_no_path_no_header_and_no_error() {
    let log = Log::of_the_process();
    let failing = service_fn(async |_: Request<()>| {
        Err::<Response<Full<Bytes>>, BoxError>(io::Error::other("canary").into())
    });
    let request = Request::get("https://api.example.com/canary?canary")
        .header("authorization", "canary")
        .body(())
        .expect("a request");
    let layer = prompt();
    let error = layer.layer(failing).oneshot(request).await;
    assert!(error.is_err());
    let text = log.text();
    assert!(text.contains("will retry attempt=2 delay_ms=0"), "{text}");
    let stopped = "retries are exhausted attempt=3 reason=\"attempts\"";
    assert!(text.contains(stopped), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_does_no_good_or_may_do_harm_is_in_the_log_with_the_reason() {
    let log = Log::of_the_process();
    let busy = service_fn(async |_: Request<()>| {
        let response = Response::builder().status(503);
        Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).expect("a response"))
    });
    let post = Request::post("https://api.example.com/").body(());
    let outcome = prompt().layer(busy).oneshot(post.expect("a request")).await;
    assert_eq!(outcome.expect("a response").status(), 503);
    let text = log.text();
    let stopped = "will not retry attempt=1 reason=\"not safe\"";
    assert!(text.contains(stopped), "{text}");
}
