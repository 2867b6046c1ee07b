//! What a layer has been told.

use std::sync::Arc;
use std::time::Duration;

use call_context::{Class, Origin, Routes};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};

use crate::backoff::Backoff;
use crate::idempotency_key::{IDEMPOTENCY_KEY, KeyHeader};
use crate::{ClassSettings, Classify, IdempotencyHeaderMismatch, StatusClassifier};

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) attempts: u32,
    pub(crate) backoff: Backoff,
    pub(crate) longest_retry_after: Duration,
    pub(crate) deadline: Option<Duration>,
    pub(crate) routes: Option<Arc<Routes>>,
    /// None where it is the one that a layer of keys above notes.
    pub(crate) idempotency_header: Option<HeaderName>,
    pub(crate) keys_honoured_by: Vec<Origin>,
    pub(crate) refusals_trusted: Vec<Origin>,
    pub(crate) classifier: Arc<dyn Classify>,
    classes: Vec<(Class, ClassSettings)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Backoff {
                base: Duration::from_millis(50),
                throttle_base: Duration::from_secs(1),
                max_delay: Duration::from_secs(20),
            },
            longest_retry_after: Duration::from_secs(60),
            deadline: None,
            routes: None,
            idempotency_header: None,
            keys_honoured_by: Vec::new(),
            refusals_trusted: Vec::new(),
            classifier: Arc::new(StatusClassifier),
            classes: Vec::new(),
        }
    }
}

impl Settings {
    /// Adds to what `class` has to itself.
    pub(crate) fn add_class(&mut self, class: Class, settings: ClassSettings) {
        match self.classes.iter_mut().find(|(known, _)| *known == class) {
            Some((_, known)) => known.merge(settings),
            None => self.classes.push((class, settings)),
        }
    }

    /// The classes that have something to themselves.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &Class> {
        self.classes.iter().map(|(class, _)| class)
    }

    /// The classes of which `is` holds.
    pub(crate) fn classes_where(
        &self,
        is: impl Fn(&ClassSettings) -> bool,
    ) -> impl Iterator<Item = &Class> {
        let classes = self.classes.iter();
        classes.filter_map(move |(class, own)| is(own).then_some(class))
    }

    /// Whether the layer has anything to do at all.
    pub(crate) fn is_off(&self) -> bool {
        !self.repeats() && !self.has_deadline()
    }

    /// Whether the layer ends calls, of some class at least.
    pub(crate) fn has_deadline(&self) -> bool {
        let has_one = |(_, own): &(Class, ClassSettings)| own.deadline.is_some();
        self.deadline.is_some() || self.classes.iter().any(has_one)
    }

    /// Whether the layer repeats requests, of some class at least.
    pub(crate) fn repeats(&self) -> bool {
        let more_than_one = |attempts: u32| attempts > 1;
        let of_classes = || self.classes.iter().filter_map(|(_, own)| own.attempts);
        more_than_one(self.attempts) || of_classes().any(more_than_one)
    }

    /// Where `class` has settings of its own.
    pub(crate) fn find(&self, class: &Class) -> Option<ClassIndex> {
        let mut classes = self.classes.iter();
        classes
            .position(|(known, _)| known == class)
            .map(ClassIndex)
    }

    /// What holds for requests of the class with these settings of its own, or of those without.
    pub(crate) fn terms(&self, own: Option<ClassIndex>) -> Terms<'_> {
        let own = own.and_then(|ClassIndex(index)| self.classes.get(index));
        Terms {
            layer: self,
            own: own.map(|(_, own)| own),
        }
    }

    /// Whether HTTP/2 refusals of the server behind `uri` are believed.
    pub(crate) fn trusts_refusals(&self, uri: &Uri) -> bool {
        is_among(&self.refusals_trusted, uri)
    }
}

/// A class that has settings of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassIndex(usize);

/// The settings for requests of one class: its own where it has some, and the layer's elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    layer: &'a Settings,
    own: Option<&'a ClassSettings>,
}

impl<'a> Terms<'a> {
    fn or<T>(&self, own: impl FnOnce(&ClassSettings) -> Option<T>, layers: T) -> T {
        self.own.and_then(own).unwrap_or(layers)
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.or(|own| own.attempts, self.layer.attempts)
    }

    pub(crate) fn backoff(&self) -> Backoff {
        let Backoff {
            base,
            throttle_base,
            max_delay,
        } = self.layer.backoff;
        Backoff {
            base: self.or(|own| own.base, base),
            throttle_base: self.or(|own| own.throttle_base, throttle_base),
            max_delay: self.or(|own| own.max_delay, max_delay),
        }
    }

    pub(crate) fn longest_retry_after(&self) -> Duration {
        self.or(
            |own| own.longest_retry_after,
            self.layer.longest_retry_after,
        )
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.own
            .and_then(|own| own.deadline)
            .or(self.layer.deadline)
    }

    pub(crate) fn classifier(&self) -> &'a dyn Classify {
        let own = self.own.and_then(|own| own.classifier.as_ref());
        &**own.unwrap_or(&self.layer.classifier)
    }

    /// Whether `request` carries a key that the server honours.
    ///
    /// Refuses one whose key is, by the note of a layer of keys, in another header than this layer was told of, and which nothing but
    /// the key makes repeatable: it would never be repeated, and nobody would know why.
    pub(crate) fn is_keyed<B>(
        &self,
        request: &mut Request<B>,
    ) -> Result<bool, IdempotencyHeaderMismatch> {
        // First what costs nothing where no keys are honoured at all.
        if !self.honours_keys(request.uri()) {
            return Ok(false);
        }
        let noted = KeyHeader::take(request.extensions_mut());
        let headers = request.headers();
        let Some(told) = &self.layer.idempotency_header else {
            return Ok(has_key(headers, noted.as_ref().unwrap_or(&IDEMPOTENCY_KEY)));
        };
        if has_key(headers, told) {
            return Ok(true);
        }
        let matters = self.attempts() > 1 && !self.is_repeatable(request.method(), false);
        match noted.filter(|noted| noted != told && matters) {
            Some(noted) => Err(IdempotencyHeaderMismatch::new(noted, told.clone())),
            None => Ok(false),
        }
    }

    /// Whether a request, with an honoured key or without one, may be repeated whatever became of the last attempt.
    pub(crate) fn is_repeatable(&self, method: &Method, keyed: bool) -> bool {
        keyed || is_idempotent(method) || self.own.is_some_and(|own| own.idempotent)
    }

    fn honours_keys(&self, uri: &Uri) -> bool {
        let on_this_route = || {
            self.own.is_some_and(|own| own.keyed)
                || !self.layer.classes.iter().any(|(_, own)| own.keyed)
        };
        is_among(&self.layer.keys_honoured_by, uri) && on_this_route()
    }
}

/// A key without a character is none: a server takes the request for one without a key, and executes it again.
fn has_key(headers: &HeaderMap, name: &HeaderName) -> bool {
    let mut keys = headers.get_all(name).iter();
    let is_key = |key: &HeaderValue| !key.as_bytes().trim_ascii().is_empty();
    keys.next().is_some_and(is_key) && keys.all(is_key)
}

/// RFC 9110, section 9.2.2.
pub(crate) fn is_idempotent(method: &Method) -> bool {
    method.is_safe() || *method == Method::PUT || *method == Method::DELETE
}

fn is_among(origins: &[Origin], uri: &Uri) -> bool {
    origins.iter().any(|origin| origin.matches(uri))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_class_has_its_own_terms_and_the_layers_where_it_has_none() {
        let mut settings = Settings::default();
        let own = ClassSettings::new().attempts(7).base(SECOND);
        settings.add_class("a".into(), own);
        settings.add_class(
            "a".into(),
            ClassSettings::new().base(2 * SECOND).idempotent(),
        );
        settings.attempts = 4;
        let a = settings.terms(settings.find(&"a".into()));
        assert_eq!(a.attempts(), 7);
        assert_eq!(a.backoff().base, 2 * SECOND);
        assert_eq!(a.backoff().max_delay, 20 * SECOND);
        assert_eq!(a.longest_retry_after(), 60 * SECOND);
        assert!(a.is_repeatable(&Method::POST, false));
        for own in [settings.find(&"b".into()), None] {
            let others = settings.terms(own);
            assert_eq!(others.attempts(), 4);
            assert_eq!(others.backoff().base, SECOND / 20);
            assert!(!others.is_repeatable(&Method::POST, false));
        }
    }

    #[test]
    fn a_layer_is_off_where_no_class_gives_it_work() {
        let off = |attempts, own: ClassSettings| {
            let mut settings = Settings {
                attempts,
                ..Settings::default()
            };
            settings.add_class("a".into(), own);
            settings.is_off()
        };
        assert!(off(1, ClassSettings::new()));
        assert!(off(
            0,
            ClassSettings::new().attempts(1).idempotent().keyed()
        ));
        assert!(!off(1, ClassSettings::new().attempts(2)));
        assert!(!off(1, ClassSettings::new().deadline(SECOND)));
        assert!(!off(2, ClassSettings::new().attempts(1)));
    }
}
