//! From method and path to a class.

mod error;
mod route;

use std::ops::Range;

use http::{Method, Request};

pub use self::error::{ClassifyError, RoutesError};
pub use self::route::Route;
use crate::canonical::{Offence, PathError};
use crate::{CallContext, Class, ClassOverride, canonical};

/// Which class a request belongs to, by method and path.
///
/// Built once. Several routes may lead to one class (aliases); a trailing slash makes another path; a path that no route
/// matches has no class. Method names are compared exactly: a route for GET does not answer HEAD.
///
/// A `;` is a character like any other. Servers that cut it off with what follows (servlet containers) read `/me;x` as
/// `/me`: for those, give `/me` and a parameter beside it the same class.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    by_method: Vec<(Method, matchit::Router<Matched>)>,
    classes: Vec<Class>,
}

#[derive(Clone, Debug)]
struct Matched {
    class: Class,
    alternatives: Vec<Class>,
    encoded_slashes: bool,
}

impl Matched {
    fn declared(&self) -> impl Iterator<Item = &Class> {
        std::iter::once(&self.class).chain(&self.alternatives)
    }
}

impl Routes {
    /// Builds the table.
    ///
    /// # Errors
    ///
    /// Where two routes match the same requests, or a pattern is malformed, percent-encoded or no canonical path itself.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Result<Self, RoutesError> {
        let mut table = Self::default();
        for route in routes {
            table.insert(route)?;
        }
        Ok(table)
    }

    fn insert(&mut self, route: Route) -> Result<(), RoutesError> {
        let Route {
            method,
            pattern,
            class,
            alternatives,
            encoded_slashes,
        } = route;
        for class in std::iter::once(&class).chain(&alternatives) {
            if !self.classes.contains(class) {
                self.classes.push(class.clone());
            }
        }
        if pattern.contains('%') {
            return Err(RoutesError::escaped(&method, pattern));
        }
        if pattern.contains("/:") {
            return Err(RoutesError::colon(&method, pattern));
        }
        // Braces mark parameters; the rest must be a path that requests can have. Doubled, they stand for themselves, and
        // those no canonical path has.
        if let Some(at) = pattern.find("{{").or_else(|| pattern.find("}}")) {
            let error = PathError::new(Offence::InvalidCharacter, at);
            return Err(RoutesError::ambiguous(&method, pattern, error));
        }
        if let Err(error) = canonical::check(&pattern.replace(['{', '}'], "")) {
            return Err(RoutesError::ambiguous(&method, pattern, error));
        }
        let known = self.by_method.iter().position(|(m, _)| *m == method);
        let index = known.unwrap_or_else(|| {
            self.by_method
                .push((method.clone(), matchit::Router::new()));
            self.by_method.len() - 1
        });
        let matched = Matched {
            class,
            alternatives,
            encoded_slashes,
        };
        self.by_method[index]
            .1
            .insert(pattern.as_str(), matched)
            .map_err(|error| RoutesError::malformed(&method, pattern, error))
    }

    /// The class of `request`; `None` where no route matches.
    ///
    /// # Errors
    ///
    /// Where the path is [ambiguous](canonical), where it belongs to another route once it is percent-decoded
    /// ([`Offence::OtherRoute`]), or where the caller asks for a class that the route does not declare.
    pub fn classify<B>(&self, request: &Request<B>) -> Result<Option<&Class>, ClassifyError> {
        let wanted = request.extensions().get::<ClassOverride>();
        let path = request.uri().path();
        let slashes = canonical::scan(path)?;
        let router = self.by_method.iter().find(|(m, _)| m == request.method());
        let router = router.map(|(_, router)| router);
        let found = router.and_then(|router| router.at(path).ok());
        if let Some(slashes) = slashes {
            let mut allowed = Vec::new();
            if let Some(found) = found.as_ref().filter(|found| found.value.encoded_slashes) {
                allowed.extend(found.params.iter().map(|(_, value)| range_in(path, value)));
            }
            slashes.confined_to(path, &allowed)?;
        }
        let matched = found.map(|found| found.value);
        // A server may decode before it routes. Patterns have no escapes, so one look at the decoded path tells.
        if let (Some(router), Some(decoded)) = (router, canonical::decoded(path)) {
            let other = router.at(&decoded).ok().map(|found| found.value);
            if !is_same(matched, other) {
                let at = path.find('%').unwrap_or_default();
                return Err(PathError::new(Offence::OtherRoute, at).into());
            }
        }
        match wanted.map(ClassOverride::class) {
            None => Ok(matched.map(|matched| &matched.class)),
            Some(wanted) => matched
                .and_then(|matched| matched.declared().find(|class| *class == wanted))
                .map(Some)
                .ok_or_else(|| ClassifyError::undeclared(wanted)),
        }
    }

    /// The classes that a request can have, alternatives included, each once.
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        self.classes.iter()
    }

    /// Classifies `request` anew and notes the class in its [`CallContext`]; none, where it is refused.
    ///
    /// # Errors
    ///
    /// As [`classify`](Self::classify).
    pub fn resolve<B>(&self, request: &mut Request<B>) -> Result<Option<Class>, ClassifyError> {
        let class = self.classify(request).map(Option::<&Class>::cloned);
        let known = class.as_ref().ok().cloned().flatten();
        CallContext::of(request.extensions_mut()).set_class(known);
        class
    }
}

fn is_same(one: Option<&Matched>, other: Option<&Matched>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Where in `path` its part `value` lies.
fn range_in(path: &str, value: &str) -> Range<usize> {
    let start = value.as_ptr().addr() - path.as_ptr().addr();
    start..start + value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Routes {
        Routes::new([
            Route::new(Method::GET, "/read/portfolio", "read"),
            Route::new(Method::POST, "/execute/{*rest}", "execute").alternative("merchant"),
            Route::new(Method::POST, "/actions/{*rest}", "execute"),
            Route::new(Method::GET, "/files/{id}/meta", "files").encoded_slashes(),
            Route::new(Method::GET, "/users/{id}", "users"),
        ])
        .expect("a valid table")
    }

    fn request(method: Method, path: &str) -> Request<()> {
        Request::builder()
            .method(method)
            .uri(format!("https://api.example.com{path}"))
            .body(())
            .expect("a valid request")
    }

    fn class(method: Method, path: &str) -> Result<Option<String>, ClassifyError> {
        let routes = table();
        let class = routes.classify(&request(method, path))?;
        Ok(class.map(|class| class.to_string()))
    }

    #[test]
    fn method_and_path_give_the_class() {
        for (method, path, expected) in [
            (Method::GET, "/read/portfolio", Some("read")),
            (Method::GET, "/read/portfolio?x=/execute/y", Some("read")),
            (Method::POST, "/read/portfolio", None),
            (Method::HEAD, "/read/portfolio", None),
            (Method::GET, "/read/portfolio/", None),
            (Method::GET, "/Read/portfolio", None),
            (Method::POST, "/execute/trades", Some("execute")),
            (Method::POST, "/execute/trades/solana", Some("execute")),
            (Method::POST, "/actions/trades", Some("execute")),
            (Method::POST, "/execute", None),
            (Method::POST, "/execute/", None),
            (Method::GET, "/unknown", None),
            (Method::GET, "/users/7", Some("users")),
            (Method::GET, "/users/7.json", Some("users")),
            (Method::GET, "/users/7;v=2", Some("users")),
            (Method::GET, "/users/caf%C3%A9", Some("users")),
            (Method::GET, "/users/", None),
            (Method::GET, "/users/7/", None),
            (Method::GET, "/users/7/x", None),
            (Method::GET, "", None),
            (
                Method::from_bytes(b"get").expect("a method"),
                "/users/7",
                None,
            ),
            (
                Method::from_bytes(b"PURGE").expect("a method"),
                "/users/7",
                None,
            ),
        ] {
            let got = class(method.clone(), path).expect(path);
            assert_eq!(got.as_deref(), expected, "{method} {path}");
        }
    }

    #[test]
    fn encoded_slashes_pass_only_in_parameters_of_routes_that_allow_them() {
        assert_eq!(
            class(Method::GET, "/files/a%2Fb/meta"),
            Ok(Some("files".into()))
        );
        assert!(class(Method::GET, "/files/a%2F..%2Fb/meta").is_err());
        assert!(class(Method::GET, "/users/a%2Fb").is_err());
        assert!(class(Method::GET, "/unknown%2Fx").is_err());
    }

    #[test]
    fn a_path_of_another_route_in_disguise_is_refused() {
        let routes = Routes::new([
            Route::new(Method::GET, "/users/{id}", "others"),
            Route::new(Method::GET, "/users/@me", "me"),
            Route::new(Method::GET, "/files/{id}/a:b", "files").encoded_slashes(),
        ])
        .expect("a valid table");
        let class = |path: &str| {
            let request = request(Method::GET, path);
            let class = routes.classify(&request)?;
            Ok::<_, ClassifyError>(class.map(|class| class.to_string()))
        };
        assert_eq!(class("/users/@me"), Ok(Some("me".into())));
        assert_eq!(class("/users/a%40b"), Ok(Some("others".into())));
        assert_eq!(class("/users/%25me"), Ok(Some("others".into())));
        assert_eq!(class("/users/%e9"), Ok(Some("others".into())));
        assert_eq!(class("/files/a%2Fb%20c/a:b"), Ok(Some("files".into())));
        for (path, at) in [
            ("/users/%40me", 7),
            ("/users/%2540me", 7),
            ("/files/a/a%3Ab", 10),
            ("/files/a%20b/a%3ab", 8),
        ] {
            let error = class(path).expect_err(path);
            let expected = format!(
                "the path is ambiguous: a percent-encoded character of another route's name at byte {at}"
            );
            assert_eq!(error.to_string(), expected, "{path}");
        }
    }

    #[test]
    fn an_override_picks_among_declared_classes_only() {
        let routes = table();
        let mut declared = request(Method::POST, "/execute/trades");
        declared
            .extensions_mut()
            .insert(ClassOverride::new("merchant"));
        let class = routes.classify(&declared).expect("declared");
        assert_eq!(class.map(Class::as_str), Some("merchant"));

        for path in ["/actions/trades", "/unknown"] {
            let mut undeclared = request(Method::POST, path);
            undeclared
                .extensions_mut()
                .insert(ClassOverride::new("merchant"));
            let error = routes.classify(&undeclared).expect_err("undeclared");
            assert_eq!(
                error.to_string(),
                "the caller asks for the class `merchant`, which this route does not declare as an alternative"
            );
        }
    }

    #[test]
    fn two_routes_for_the_same_requests_are_an_error() {
        let error = Routes::new([
            Route::new(Method::GET, "/users/{id}", "a"),
            Route::new(Method::GET, "/users/{name}", "b"),
        ])
        .expect_err("a conflict");
        assert!(error.is_conflict());
        assert_eq!(
            error.to_string(),
            "the route GET /users/{name} matches the same requests as /users/{id}"
        );
        let methods_differ = Routes::new([
            Route::new(Method::GET, "/users/{id}", "a"),
            Route::new(Method::POST, "/users/{name}", "b"),
        ]);
        assert!(methods_differ.is_ok());
    }

    #[test]
    fn a_pattern_that_can_never_match_is_an_error() {
        for pattern in [
            "users",
            "/a//b",
            "/a/../b",
            "/%65xecute",
            "/caf%C3%A9",
            "/a%2Fb",
            "/a\\b",
            "/a b",
            "/{",
            "/}",
            "/{}",
            "/{*}",
            "/{{id}}",
            "/a}}",
            "/{*rest}/a",
            "/{a}{b}",
            "/{a/b}",
            "",
            "*",
        ] {
            let error = Routes::new([Route::new(Method::GET, pattern, "a")]).expect_err(pattern);
            assert!(!error.is_conflict(), "{pattern}");
            assert!(error.to_string().contains(pattern), "{error}");
        }
    }

    #[test]
    fn a_parameter_in_the_old_spelling_is_an_error_and_a_colon_elsewhere_is_none() {
        let built = |pattern| Routes::new([Route::new(Method::GET, pattern, "a")]);
        for pattern in ["/feed/:id", "/:tenant/feed"] {
            let error = built(pattern).expect_err(pattern).to_string();
            assert!(error.contains("written `{id}`, not `:id`"), "{error}");
        }
        let routes = built("/orders:batch").expect("a colon within a segment");
        let class = routes.classify(&request(Method::GET, "/orders:batch"));
        assert!(class.is_ok_and(|class| class.is_some()));
    }

    #[test]
    fn each_class_is_listed_once() {
        let routes = table();
        let classes: Vec<_> = routes.classes().map(Class::as_str).collect();
        assert_eq!(classes, ["read", "execute", "merchant", "files", "users"]);
    }

    #[test]
    fn a_request_without_a_path_is_refused() {
        let routes = table();
        for (method, uri) in [
            (Method::CONNECT, "api.example.com:443"),
            (Method::OPTIONS, "*"),
        ] {
            let mut request = Request::new(());
            *request.method_mut() = method;
            *request.uri_mut() = uri.parse().expect("a URI");
            let error = routes.classify(&request).expect_err(uri);
            assert_eq!(
                error.to_string(),
                "the path is ambiguous: it does not begin with a slash at byte 0"
            );
        }
    }

    #[test]
    fn a_literal_goes_before_a_parameter_and_a_parameter_before_the_rest() {
        let routes = Routes::new([
            Route::new(Method::GET, "/{*rest}", "rest"),
            Route::new(Method::GET, "/users/{id}", "one"),
            Route::new(Method::GET, "/users/me", "me"),
        ])
        .expect("a valid table");
        for (path, expected) in [
            ("/users/me", "me"),
            ("/users/mee", "one"),
            ("/users/m", "one"),
            ("/users/me/", "rest"),
            ("/users/me/x", "rest"),
            ("/users/", "rest"),
        ] {
            let request = request(Method::GET, path);
            let class = routes.classify(&request).expect(path);
            assert_eq!(class.map(Class::as_str), Some(expected), "{path}");
        }
    }

    #[test]
    fn an_empty_table_gives_no_class_and_still_refuses_what_is_ambiguous() {
        let routes = Routes::default();
        assert_eq!(routes.classify(&request(Method::GET, "/a")), Ok(None));
        assert!(routes.classify(&request(Method::GET, "/a/..")).is_err());
    }

    #[test]
    fn encoded_slashes_pass_in_all_that_follows() {
        let routes =
            Routes::new([Route::new(Method::GET, "/raw/{ref}/{*path}", "raw").encoded_slashes()]);
        let routes = routes.expect("a valid table");
        for path in [
            "/raw/a%2Fb/c",
            "/raw/a/b%2fc/d%2Fe",
            "/raw/https%3A%2F%2Fx/y",
            "/raw/a%252Fb/c",
        ] {
            let request = request(Method::GET, path);
            assert!(matches!(routes.classify(&request), Ok(Some(_))), "{path}");
        }
        for path in [
            "/raw%2Fa/b",
            "/raw%2Fa/b/c",
            "/raw/a%2Fb",
            "/raw/a%2F..%2Fb/c",
            "/raw/%2F%2e%2e/c",
            "/raw/a%5Cb/c",
        ] {
            let request = request(Method::GET, path);
            assert!(routes.classify(&request).is_err(), "{path}");
        }
    }

    #[test]
    fn a_refused_request_keeps_the_class_of_nothing() {
        let routes = table();
        let mut refused = request(Method::POST, "/execute/../a");
        assert!(routes.resolve(&mut refused).is_err());
        assert!(
            CallContext::get(refused.extensions()).is_none_or(|context| context.class().is_none())
        );

        let mut stale = request(Method::POST, "/execute/../a");
        CallContext::of(stale.extensions_mut()).set_class(Some("execute".into()));
        assert!(routes.resolve(&mut stale).is_err());
        let context = CallContext::get(stale.extensions()).expect("inserted");
        assert!(context.class().is_none());
    }

    #[test]
    fn resolving_notes_the_class_anew() {
        let routes = table();
        let mut request = request(Method::POST, "/execute/trades");
        CallContext::of(request.extensions_mut()).set_class(Some("stale".into()));
        routes.resolve(&mut request).expect("canonical");
        let context = CallContext::get(request.extensions()).expect("inserted");
        assert_eq!(context.class().map(Class::as_str), Some("execute"));
    }
}
