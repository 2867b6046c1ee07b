//! What a stack says when it cannot be built.

use std::error::Error;
use std::sync::{Arc, Mutex};

use http::{HeaderName, Method, Request, Response};
use tollgate::auth::{Elsewhere, Grant, Slot, Tenants, source_fn};
use tollgate::context::Origin;
use tollgate::rate::{Keyed, Limit, Rule, key};
use tollgate::{
    ClassSettings, IdempotencyKeyLayer, MINUTE, Quota, RateLayer, RetryLayer, Route, SECOND, Stack,
    StackBuilder, Window,
};
use tower::{Layer, ServiceExt, service_fn};

fn stack() -> StackBuilder {
    Stack::new("https://api.example.com".parse().expect("an origin"))
}

fn minute() -> Quota {
    Quota::rolling(100, MINUTE)
}

fn refusal(builder: StackBuilder) -> String {
    let error = builder.build().expect_err("no stack");
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[test]
fn mistakes_are_caught_when_a_stack_is_built() {
    let read = || Route::new(Method::GET, "/read", "read");
    for (builder, expected) in [
        (
            stack(),
            "the stack has no credential; give it one with `key`, `token` or `slot`",
        ),
        (
            stack().key("a").slot(Slot::none("nothing")),
            "the stack has several credentials and nothing to choose by; add each `route`, and the slot of each `class`",
        ),
        (
            stack().key("a").limit(minute()).limit(minute()),
            "the stack has two limits, and one would be lost; give `limit` or `rate` once, with all that hold together, as in \
             `.limit(Quota::rolling(10, SECOND).and(Quota::rolling(100, MINUTE)))`",
        ),
        (
            stack().key("a").limit(minute().adopt_up_to(500)),
            "a quota adopts the limits that the server states (`adopt_up_to`), and the rule that holds it reads no response: say which \
             dialect the server speaks, by `.listen(Standard)` or another one, or leave `adopt_up_to` out",
        ),
        (
            stack()
                .key("a")
                .rate(RateLayer::by_slot().slot("kye", minute())),
            "the rate layer names the slot `kye`, which the stack does not have; is it misspelt?",
        ),
        (
            stack().key("a").rate(RateLayer::by_slot()),
            "the rate layer would turn away all requests of the slot `key`; give it a window, or say `unlimited`",
        ),
        (
            stack().key("a").key("b").route(read()).class("read", "key"),
            "credential slot `key`: the name is used twice",
        ),
        (
            stack().key("line\nbreak"),
            "credential slot `key`: the key cannot stand in a header: the secret contains a line break; trim what was read from a file",
        ),
        (
            stack().key("a").route(read()),
            "the class `read` has no slot; give it one, `Slot::none` if it needs no credential",
        ),
        (
            stack().key("a").class("read", "key"),
            "classes are given slots, but there are no routes to tell a class",
        ),
        (
            stack().key("a").route(read()).class("read", "wallet"),
            "credential slot `wallet`: the class `read` asks for it, but there is no such slot",
        ),
        (
            stack()
                .key("a")
                .route(read())
                .route(read())
                .class("read", "key"),
            "the route GET /read matches the same requests as /read",
        ),
        (
            stack()
                .key("a")
                .route(read())
                .class("read", "key")
                .retry(RetryLayer::new().keyed_class("raed")),
            "the retry layer names the class `raed`, which no route has; is it misspelt?",
        ),
        (
            stack()
                .key("a")
                .route(read())
                .class("read", "key")
                .idempotency_keys(IdempotencyKeyLayer::new().class("raed")),
            "the layer of idempotency keys names the class `raed`, which no route has; is it misspelt?",
        ),
        (
            stack()
                .key("a")
                .idempotency_keys(IdempotencyKeyLayer::new())
                .retry(RetryLayer::new().idempotency_header(HeaderName::from_static("x-key"))),
            "the layer of idempotency keys writes `idempotency-key`, and the retry layer was told of `x-key`; name the header at the \
             layer of keys alone",
        ),
        (
            Stack::new("http://api.example.com".parse().expect("an origin")).key("a"),
            "credential slot `key`: http://api.example.com is plain http to another machine; use https, or declare it with `plain_http`",
        ),
    ] {
        assert_eq!(refusal(builder), expected);
    }
}

#[test]
fn a_class_that_goes_first_is_one_that_requests_have() {
    let first = |class: &'static str| RateLayer::new(minute().reserve(20)).first(class);
    let routed = |rate| {
        let route = Route::new(Method::POST, "/trades", "execute");
        stack()
            .key("a")
            .route(route)
            .class("execute", "key")
            .rate(rate)
    };
    assert_eq!(
        refusal(routed(first("execute").first("exeucte"))),
        "the rate layer names the class `exeucte`, which no route has; is it misspelt?"
    );
    assert_eq!(
        refusal(stack().key("a").rate(first("execute"))),
        "the rate layer lets the class `execute` go first, and the stack has no routes to tell a class; add each `route`, or choose by \
         `first_if`, which also sees a class that the caller has set"
    );
    routed(first("execute")).build().expect("a stack");
    let chosen = RateLayer::new(minute().reserve(20)).first_if(|head| head.class().is_some());
    stack().key("a").rate(chosen).build().expect("a stack");
}

#[test]
fn keys_that_would_have_no_effect_are_refused_with_what_to_add() {
    let routed = |retry| {
        let route = Route::new(Method::POST, "/trades", "execute");
        stack()
            .key("a")
            .route(route)
            .class("execute", "key")
            .retry(retry)
    };
    let origin = |text: &str| text.parse::<Origin>().expect("an origin");
    let honoured = |by: &[&str]| RetryLayer::new().keys_honoured_by(by.iter().map(|by| origin(by)));
    let keys = IdempotencyKeyLayer::new;
    let search = RetryLayer::new().idempotent_class("search");
    let for_nobody = "the stack gives idempotency keys, and repeats nothing for them, since the retry layer is not told who honours \
                      them; say `.retry(RetryLayer::new().keys_honoured_by([origin]))`, or, where a server asks for keys and does not \
                      honour them, put the layer of keys above the stack";
    let elsewhere = "the retry layer takes keys to be honoured by http://api.example.com, https://api.example.org alone, where the \
                     stack sends nothing; name one of its own origins in `keys_honoured_by`, such as https://api.example.com";
    let theirs = || honoured(&["http://api.example.com", "https://api.example.org"]);
    let without_origin = "the retry layer takes keys to be honoured on the routes of the class `execute`, and is not told by which \
                          servers; add `keys_honoured_by([origin])`";
    for (builder, expected) in [
        (stack().key("a").idempotency_keys(keys()), for_nobody),
        (
            routed(RetryLayer::new()).idempotency_keys(keys().class("execute")),
            for_nobody,
        ),
        // Some of what has a key would not be repeated.
        (
            stack()
                .key("a")
                .retry(search.clone())
                .idempotency_keys(keys().class("search").class("execute")),
            for_nobody,
        ),
        (
            stack()
                .key("a")
                .retry(search.clone())
                .idempotency_keys(keys()),
            for_nobody,
        ),
        (
            routed(RetryLayer::new().keyed_class("execute")),
            without_origin,
        ),
        (
            routed(RetryLayer::new().keyed_class("execute"))
                .idempotency_keys(keys().class("execute")),
            without_origin,
        ),
        (stack().key("a").retry(theirs()), elsewhere),
        (
            routed(theirs().keyed_class("execute")).idempotency_keys(keys()),
            elsewhere,
        ),
    ] {
        assert_eq!(refusal(builder), expected);
    }
    let own = Slot::key("a", "key").origin(origin("https://api.example.org"));
    for builder in [
        // For the server alone, on purpose.
        routed(RetryLayer::new().attempts(1)).idempotency_keys(keys()),
        stack()
            .key("a")
            .retry(search)
            .idempotency_keys(keys().class("search")),
        // For keys that callers set.
        stack()
            .key("a")
            .retry(honoured(&["https://api.example.com"])),
        // Where some of the requests go.
        stack()
            .key("a")
            .retry(honoured(&[
                "https://a.example",
                "https://API.example.com:443",
            ]))
            .idempotency_keys(keys()),
        stack().slot(own).retry(theirs()).idempotency_keys(keys()),
        stack()
            .key("a")
            .elsewhere(Elsewhere::PassBare)
            .retry(theirs())
            .idempotency_keys(keys()),
    ] {
        builder.build().expect("a stack");
    }
}

#[test]
fn without_routes_callers_may_set_any_class_themselves() {
    let origin = "https://api.example.com".parse().expect("an origin");
    let retry = RetryLayer::new().idempotent_class("search");
    let retry = retry.keys_honoured_by([origin]);
    let keys = IdempotencyKeyLayer::new().class("execute");
    let built = stack().key("a").retry(retry).idempotency_keys(keys).build();
    built.expect("a stack");
}

#[tokio::test(start_paused = true)]
async fn a_stack_reads_keys_in_the_header_in_which_it_writes_them() {
    let name = HeaderName::from_static("x-key");
    let origin = "https://api.example.com".parse().expect("an origin");
    let retry = RetryLayer::new().keys_honoured_by([origin]);
    for retry in [retry.clone(), retry.idempotency_header(name.clone())] {
        let attempts = Arc::new(Mutex::new(0));
        let server = service_fn(|request: Request<String>| {
            assert!(request.headers().contains_key("x-key"));
            *attempts.lock().expect("no panic") += 1;
            let busy = Response::builder().status(503).body(String::new());
            std::future::ready(busy)
        });
        let keys = IdempotencyKeyLayer::new().header(name.clone());
        let built = stack().key("a").idempotency_keys(keys).retry(retry).build();
        let stack = built.expect("a stack");
        assert_eq!(stack.retry().idempotency_header_name(), Some(&name));
        let request = Request::post("https://api.example.com/trades");
        let request = request.body("42".to_owned()).expect("a request");
        let response = stack.layer(server).oneshot(request).await;
        assert_eq!(response.expect("a response").status(), 503);
        assert_eq!(*attempts.lock().expect("no panic"), 3);
    }
}

#[test]
fn a_slot_keeps_an_origin_of_its_own() {
    let own = Slot::key("a", "key").origin("https://other.example".parse().expect("an origin"));
    let built = stack().slot(own).limit(Quota::rolling(1, MINUTE)).build();
    let shown = format!("{:?}", built.expect("a stack").auth());
    assert!(shown.contains("https://other.example"), "{shown}");
    assert!(!shown.contains("https://api.example.com"), "{shown}");
}

#[test]
fn a_limit_by_the_name_of_a_slot_of_tenants_is_refused_with_what_works() {
    let tenants = |rate| {
        let none = Tenants::new(|_| source_fn(|_| std::future::ready(Ok(Grant::new("token")))));
        stack().slot(Slot::tenants("customers", none)).rate(rate)
    };
    let by_slot = RateLayer::by_slot;
    let each = || by_slot().otherwise(Keyed::new(minute(), key::slot));
    let advice = "give each of them a window by `.otherwise(Keyed::new(quota, key::slot))`, or say `.otherwise(Limit::Unlimited)`";
    let named = format!(
        "the slot `customers` has a slot for each tenant, such as `customers/acme`, and the rate layer's `slot` and `unlimited` \
         would hold for `customers` alone, which no request has; {advice}"
    );
    let silent = format!(
        "the rate layer would turn away all requests of the slot `customers`, which has a slot for each tenant, such as \
         `customers/acme`; {advice}"
    );
    let misspelt = "the rate layer names the slot `custom/acme`, which the stack does not have; is it misspelt?";
    for (rate, expected) in [
        (by_slot().slot("customers", minute()), &*named),
        (by_slot().unlimited("customers"), &named),
        (each().slot("customers", minute()), &named),
        (by_slot(), &silent),
        (by_slot().slot("customers/acme", minute()), &silent),
        (each().slot("custom/acme", minute()), misspelt),
    ] {
        assert_eq!(refusal(tenants(rate)), expected);
    }
    for rate in [
        each(),
        each().slot("customers/acme", minute()),
        by_slot().otherwise(Limit::Unlimited),
        RateLayer::new(minute()),
    ] {
        tenants(rate).build().expect("a stack");
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_of_keys_knows_the_classes_and_gives_all_attempts_one_key() {
    let origin = || "https://api.example.com".parse().expect("an origin");
    let builder = || {
        let retry = RetryLayer::new().keys_honoured_by([origin()]);
        stack()
            .key("a")
            .route(Route::new(Method::POST, "/trades", "execute"))
            .route(Route::new(Method::POST, "/search", "read"))
            .class("execute", "key")
            .class("read", "key")
            .retry(retry)
    };
    let keys = || IdempotencyKeyLayer::new().class("execute");
    for (builder, path, attempts, keyed) in [
        (builder().idempotency_keys(keys()), "trades", 3, true),
        (builder().idempotency_keys(keys()), "search", 1, false),
        (builder(), "trades", 1, false),
    ] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let server = service_fn(|request: Request<String>| {
            let key = request.headers().get("idempotency-key").cloned();
            seen.lock().expect("no panic").push(key);
            let busy = Response::builder().status(503).body(String::new());
            std::future::ready(busy)
        });
        let client = builder.build().expect("a stack").layer(server);
        let request = Request::post(format!("https://api.example.com/{path}"));
        let request = request.body("42".to_owned()).expect("a request");
        let response = client.oneshot(request).await.expect("a response");
        assert_eq!(response.status(), 503);
        let seen = seen.lock().expect("no panic");
        assert_eq!(seen.len(), attempts, "{path}");
        assert!(seen.iter().all(|key| *key == seen[0]), "{seen:?}");
        assert_eq!(seen[0].is_some(), keyed, "{path}");
    }
}

#[test]
fn places_that_are_kept_back_for_nobody_are_refused_with_what_to_add() {
    let kept = || minute().reserve(20);
    let short = Quota::rolling(10, SECOND);
    let expected = "the limit reserves places for requests that go first (`reserve`), and none does, so that nobody could ever take \
                    them; say which go first, as in `.rate(RateLayer::new(quota).first(class))`, or by `first_if` where there are no routes, or leave `reserve` out; where another \
                    stack's go first in the same window, make it by `Window::new`, and give it to both";
    for builder in [
        stack().key("a").limit(kept()),
        stack().key("a").limit(kept().and(short)),
        stack().key("a").limit(short.and(kept())),
        stack().key("a").limit(Limit::from(kept())),
    ] {
        assert_eq!(refusal(builder), expected);
    }
    let shared = Window::new(kept());
    let first = RateLayer::new(shared.clone()).first_if(|head| head.uri().path() == "/trades");
    for builder in [
        stack().key("a").limit(short.and(minute())),
        stack().key("a").limit(kept().reserve(0)),
        // Another stack's requests go first there.
        stack().key("a").limit(shared),
        stack().key("a").rate(first),
    ] {
        builder.build().expect("a stack");
    }
}

#[test]
fn keys_for_a_class_on_whose_routes_they_are_not_honoured_are_refused() {
    let origin = || {
        "https://api.example.com"
            .parse::<Origin>()
            .expect("an origin")
    };
    let routed = |retry: RetryLayer, keys| {
        let classes = ["execute", "search", "cancel"];
        let slotted = |stack: StackBuilder, class: &'static str| {
            let route = Route::new(Method::POST, format!("/{class}"), class);
            stack.route(route).class(class, "key")
        };
        let stack = classes.into_iter().fold(stack().key("a"), slotted);
        let retry = retry.keys_honoured_by([origin()]);
        stack.retry(retry).idempotency_keys(keys)
    };
    let keys = IdempotencyKeyLayer::new;
    let retry = RetryLayer::new;
    let once = || ClassSettings::new().attempts(1);
    let text = |given: &str, honoured: &str| {
        format!(
            "the layer of idempotency keys gives them to the class `{given}`, and the retry layer takes keys to be honoured on the \
             routes of {honoured} alone, so that they would have no effect; add `keyed_class(\"{given}\")`, or, where a server asks \
             for keys and does not honour them, put the layer of keys above the stack"
        )
    };
    for (builder, given, honoured) in [
        (
            routed(retry().keyed_class("cancel"), keys().class("execute")),
            "execute",
            "`cancel`",
        ),
        (
            routed(
                retry().keyed_class("cancel").keyed_class("search"),
                keys().class("search").class("execute"),
            ),
            "execute",
            "`cancel`, `search`",
        ),
    ] {
        assert_eq!(refusal(builder), text(given, honoured));
    }
    for builder in [
        routed(retry().keyed_class("execute"), keys().class("execute")),
        // To all, and honoured on some.
        routed(retry().keyed_class("execute"), keys()),
        routed(retry(), keys().class("execute")),
        // Repeated anyway, or never.
        routed(
            retry().keyed_class("execute").idempotent_class("search"),
            keys().class("execute").class("search"),
        ),
        routed(
            retry().keyed_class("cancel").attempts(1),
            keys().class("execute"),
        ),
        routed(
            retry().keyed_class("cancel").class("execute", once()),
            keys().class("execute"),
        ),
        stack()
            .key("a")
            .retry(retry().class("execute", once()))
            .idempotency_keys(keys().class("execute")),
    ] {
        builder.build().expect("a stack");
    }
}

#[test]
fn keys_for_a_class_that_is_repeated_by_its_methods_anyway_are_welcome() {
    let origin = || {
        "https://api.example.com"
            .parse::<Origin>()
            .expect("an origin")
    };
    let routed = |retry: RetryLayer, method: Method| {
        let keys = IdempotencyKeyLayer::new().class("put").class("pay");
        let keys = keys.class("delete");
        stack()
            .key("a")
            .route(Route::new(Method::POST, "/payments", "pay"))
            .route(Route::new(Method::PUT, "/orders/{id}", "put"))
            .route(Route::new(method, "/orders/{id}", "delete"))
            .class("pay", "key")
            .class("put", "key")
            .class("delete", "key")
            .retry(retry)
            .idempotency_keys(keys)
    };
    let some = || {
        RetryLayer::new()
            .keys_honoured_by([origin()])
            .keyed_class("pay")
    };
    // The server asks for keys on other routes as well.
    routed(some(), Method::DELETE).build().expect("a stack");
    let free = RetryLayer::new().idempotent_class("pay");
    routed(free, Method::DELETE).build().expect("a stack");
    // One of the methods is not.
    let error = refusal(routed(some(), Method::PATCH));
    assert!(error.contains("to the class `delete`"), "{error}");
}

#[test]
fn a_rule_reserves_for_nobody_whatever_it_is_given_as() {
    struct Settings(u32);
    impl From<&Settings> for Limit {
        fn from(settings: &Settings) -> Self {
            Quota::rolling(settings.0, MINUTE).reserve(1).into()
        }
    }
    let rule = Rule::new(minute().reserve(20)).cost(|_| 2);
    let settings = Settings(10);
    for builder in [
        stack().key("a").limit(rule),
        stack().key("a").limit(&settings),
    ] {
        let error = refusal(builder);
        assert!(
            error.starts_with("the limit reserves places for"),
            "{error}"
        );
    }
}
