//! What is logged on one thread, told to whoever listens there.
//!
//! One subscriber for the whole process: of several, each for a thread, a place that logs is asked for once, by any of them.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, Once};

use tracing_subscriber::fmt::MakeWriter;

type Listener = Rc<dyn Fn(&str)>;

thread_local! {
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// Tells `listener` what is logged on this thread, until what this gives is dropped.
pub(crate) fn listen(listener: impl Fn(&str) + 'static) -> Listening {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let logs = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
        let logs = logs.with_ansi(false).with_writer(ThisThread).finish();
        tracing::subscriber::set_global_default(logs).expect("the first one");
    });
    LISTENER.set(Some(Rc::new(listener)));
    Listening
}

pub(crate) struct Listening;

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENER.set(None);
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<String>>);

impl Log {
    pub(crate) fn listen(&self) -> Listening {
        let log = self.clone();
        listen(move |text| log.0.lock().expect("not poisoned").push_str(text))
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().expect("not poisoned").clone()
    }
}

struct ThisThread;

impl MakeWriter<'_> for ThisThread {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

impl io::Write for ThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let listener = LISTENER.with_borrow(Clone::clone);
        if let Some(listener) = listener {
            listener(&String::from_utf8_lossy(bytes));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
