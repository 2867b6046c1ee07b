//! What responses and errors tell of the call.

use std::time::Duration;

use call_context::{BoxError, CallContext, NeverLeft, Refusal};
use retry_layer::{
    Budget, DeadlineExceeded, Exchange, RetryError, RetryInfo, RetryLayer, Stop, Verdict,
};
use tower::{Layer, ServiceExt};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

/// The texts of an error and its sources, outermost first.
fn chain(error: &BoxError) -> Vec<String> {
    chain_of(&**error)
}

fn chain_of(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_response_tells_how_many_attempts_it_took_and_how_long_they_waited() {
    let script = Script::slow([
        (SECOND, with_header(503, "retry-after", "2")),
        (SECOND, with_header(503, "retry-after", "3")),
        (SECOND, status(200)),
    ]);
    let outcome = run(&prompt(), &script, get()).await.expect("a response");
    let info = RetryInfo::of(outcome.extensions());
    assert_eq!(info.attempts(), 3);
    assert_eq!(info.replays_after_401(), 0);
    assert_eq!(info.stop(), None);
    assert_eq!(info.paused(), 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_response_at_the_first_attempt_carries_nothing_and_means_one_attempt() {
    for answer in [200, 404] {
        let script = Script::new([status(answer)]);
        let outcome = run(&prompt(), &script, get()).await.expect("a response");
        assert!(outcome.extensions().is_empty());
        let info = RetryInfo::of(outcome.extensions());
        assert_eq!((info.attempts(), info.stop()), (1, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_after_a_401_is_told_apart() {
    let script = Script::new([renewed(), status(503), status(200)]);
    let outcome = run(&prompt(), &script, get()).await.expect("a response");
    let info = RetryInfo::of(outcome.extensions());
    assert_eq!((info.attempts(), info.replays_after_401()), (3, 1));
    assert_eq!(info.stop(), None);
}

#[tokio::test(start_paused = true)]
async fn every_reason_to_stop_is_told_and_counted() {
    let busy = || Script::new((0..9).map(|_| status(503)));
    let refused = || Script::new([status(503), never_left(Refusal::Permanent)]);
    let long = || Script::new([with_header(503, "retry-after", "61")]);
    let dry = || prompt().budget(Budget::new(0));
    for (layer, script, request, stop, attempts) in [
        (prompt(), busy(), get(), Stop::Attempts, 3),
        (prompt(), refused(), get(), Stop::Refused, 2),
        (prompt(), busy(), post(), Stop::NotSafe, 1),
        (prompt(), long(), get(), Stop::Wait, 1),
        (
            prompt().deadline(Duration::from_nanos(1)).base(SECOND),
            Script::new([with_header(503, "retry-after", "1")]),
            get(),
            Stop::Deadline,
            1,
        ),
        (dry(), busy(), get(), Stop::Budget, 1),
    ] {
        let outcome = run(&layer, &script, request).await.expect("a response");
        let info = RetryInfo::of(outcome.extensions());
        assert_eq!(info.stop(), Some(stop));
        assert_eq!(info.attempts(), attempts, "{stop:?}");
        assert_eq!(layer.counters().stopped(stop), 1);
    }
    // `Body` and `Renewals` have tests of their own, where such bodies and slots are.
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_stands_tells_of_the_replay_that_could_not_be_sent() {
    let script = Script::new([with_header(503, "retry-after", "1")]);
    script.break_readiness_after(1, "closed");
    let outcome = run(&prompt(), &script, get()).await.expect("a response");
    let info = RetryInfo::of(outcome.extensions());
    assert_eq!((info.attempts(), info.stop()), (1, Some(Stop::Refused)));
    assert_eq!(info.paused(), SECOND);

    let layer = prompt().deadline(4 * SECOND);
    let script = Script::slow([(SECOND, status(503)), (9 * SECOND, status(200))]);
    let outcome = run(&layer, &script, get()).await.expect("a response");
    let info = RetryInfo::of(outcome.extensions());
    assert_eq!((info.attempts(), info.stop()), (2, Some(Stop::Deadline)));
}

#[tokio::test(start_paused = true)]
async fn an_error_tells_the_same_and_no_text_twice() {
    let script = Script::new([broken(), broken(), broken()]);
    let error = run(&prompt(), &script, get()).await.expect_err("an error");
    let info = RetryInfo::find(&*error).expect("an info");
    assert_eq!((info.attempts(), info.stop()), (3, Some(Stop::Attempts)));
    let found = call_context::find::<RetryError>(&*error).expect("ours");
    assert_eq!(found.info(), info);
    let texts = chain(&error);
    assert_eq!(texts[0], "gave up after 3 attempts: no attempt is left");
    assert_eq!(texts[1], "connection reset");
    assert_eq!(texts.len(), 2);

    let script = Script::new([broken()]);
    let error = run(&prompt(), &script, post()).await.expect_err("an error");
    let text = error.to_string();
    assert!(text.starts_with("gave up after 1 attempt: "), "{text}");
    assert!(text.contains("idempotency key"), "{text}");

    let layer = prompt().classifier(|exchange: &Exchange<'_>| match exchange.attempt() {
        1 => Verdict::TRANSIENT,
        _ => Verdict::Final,
    });
    let script = Script::new([broken(), broken()]);
    let error = run(&layer, &script, get()).await.expect_err("an error");
    assert_eq!(error.to_string(), "failed for good after 2 attempts");
    assert_eq!(RetryInfo::find(&*error).and_then(|info| info.stop()), None);
}

#[tokio::test(start_paused = true)]
async fn a_mark_is_still_found_behind_what_the_layer_adds() {
    let script = Script::new((0..3).map(|_| never_left(Refusal::Transient)));
    let error = run(&prompt(), &script, post()).await.expect_err("refused");
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Transient));
    let info = RetryInfo::find(&*error).expect("an info");
    assert_eq!((info.attempts(), info.stop()), (3, Some(Stop::Attempts)));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_nobody_would_repeat_speaks_for_itself() {
    let script = Script::new([never_left(Refusal::Permanent)]);
    let error = run(&prompt(), &script, post()).await.expect_err("refused");
    assert!(error.is::<NeverLeft>());

    let layer = prompt().classifier(|_: &Exchange<'_>| Verdict::Final);
    let script = Script::new([broken()]);
    let error = run(&layer, &script, get()).await.expect_err("an error");
    assert!(error.is::<std::io::Error>());

    // Here it is the replay that was refused, and the error says nothing of it.
    let script = Script::new([broken()]);
    script.break_readiness_after(1, "closed");
    let error = run(&prompt(), &script, get()).await.expect_err("an error");
    let info = RetryInfo::find(&*error).expect("an info");
    assert_eq!((info.attempts(), info.stop()), (1, Some(Stop::Refused)));

    // Nor where the attempt had not left either.
    let script = Script::new([never_left(Refusal::Transient)]);
    script.break_readiness_after(1, "closed");
    let error = run(&prompt(), &script, get()).await.expect_err("an error");
    let info = RetryInfo::find(&*error).expect("an info");
    assert_eq!((info.attempts(), info.stop()), (1, Some(Stop::Refused)));
}

#[tokio::test(start_paused = true)]
async fn a_passed_deadline_tells_the_same_in_one_error() {
    let layer = prompt().deadline(4 * SECOND);
    let script = Script::slow([(SECOND, broken()), (9 * SECOND, status(200))]);
    let error = run(&layer, &script, get()).await.expect_err("too late");
    let info = RetryInfo::find(&*error).expect("an info");
    assert_eq!((info.attempts(), info.stop()), (2, Some(Stop::Deadline)));
    let late = error.downcast_ref::<DeadlineExceeded>().expect("its own");
    assert_eq!(late.info(), Some(info));
    assert_eq!(chain(&error).len(), 1);

    // Nothing was sent down: there is nothing to tell.
    let mut request = get();
    let now = tokio::time::Instant::now().into_std();
    CallContext::of(request.extensions_mut()).limit_deadline(now);
    let error = run(&layer, &Script::new([]), request).await;
    assert_eq!(RetryInfo::find(&*error.expect_err("too late")), None);
}

#[tokio::test(start_paused = true)]
async fn what_a_layer_below_tells_is_left_alone_by_one_that_repeats_nothing() {
    let outer = RetryLayer::new().attempts(1).deadline(60 * SECOND);
    for (answers, is_ok) in [([503, 503, 503], true), ([0, 0, 0], false)] {
        let answers = answers.map(|answer| if is_ok { status(answer) } else { broken() });
        let stack = outer.layer(prompt().layer(Script::new(answers)));
        let info = match stack.oneshot(get()).await {
            Ok(response) => Some(RetryInfo::of(response.extensions())),
            Err(error) => {
                assert_eq!(chain(&error).len(), 2, "{error}");
                RetryInfo::find(&*error)
            }
        };
        assert_eq!(info.map(|info| info.attempts()), Some(3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_stands_tells_what_kept_the_replay_from_leaving() {
    let refused = |why: &'static str, refusal| Err(NeverLeft::wrap(refusal, why).into());
    let why = |info: &RetryInfo| info.refusal().map(|error| chain_of(error).join(": "));

    let script = Script::new([status(503), refused("no place", Refusal::Permanent)]);
    let outcome = run(&prompt(), &script, get()).await.expect("a response");
    let info = RetryInfo::of(outcome.extensions());
    assert_eq!((info.attempts(), info.stop()), (2, Some(Stop::Refused)));
    assert_eq!(
        why(&info).as_deref(),
        Some("the request never left: no place")
    );
    let found = info.refusal().and_then(NeverLeft::find);
    assert_eq!(found, Some(Refusal::Permanent));

    // Not ready: no attempt, and yet a reason.
    let script = Script::new([status(503)]);
    script.break_readiness_after(1, "closed");
    let outcome = run(&prompt(), &script, get()).await.expect("a response");
    let info = RetryInfo::of(outcome.extensions());
    assert_eq!((info.attempts(), info.departures()), (1, 1));
    assert_eq!(why(&info).as_deref(), Some("closed"));

    // Whatever the call ended for in the end.
    let dead = || refused("no connection", Refusal::Transient);
    let script = Script::new([status(503), dead(), dead()]);
    let outcome = run(&prompt(), &script, get()).await.expect("a response");
    let info = RetryInfo::of(outcome.extensions());
    assert_eq!((info.attempts(), info.stop()), (3, Some(Stop::Attempts)));
    assert!(why(&info).is_some_and(|why| why.ends_with("no connection")));

    // The last one counts, and one that may have left has nothing to explain.
    let script = Script::new([status(503), refused("early", Refusal::Local), dead()]);
    let outcome = run(&prompt(), &script, get()).await.expect("a response");
    let info = RetryInfo::of(outcome.extensions());
    assert!(why(&info).is_some_and(|why| why.ends_with("no connection")));
    let script = Script::new([status(503), dead(), status(500)]);
    let outcome = run(&prompt(), &script, get()).await.expect("a response");
    assert_eq!(outcome.status(), 500);
    assert_eq!(why(&RetryInfo::of(outcome.extensions())), None);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_stands_tells_it_beside_its_chain_and_one_that_says_it_itself_does_not() {
    let script = Script::new([broken()]);
    script.break_readiness_after(1, NeverLeft::wrap(Refusal::Local, "closed"));
    let error = run(&prompt(), &script, get()).await.expect_err("an error");
    let info = RetryInfo::find(&*error).expect("an info");
    let refusal = info.refusal().map(chain_of);
    assert_eq!(
        refusal.as_deref(),
        Some(&["the request never left", "closed"].map(str::to_owned)[..])
    );
    // It proves nothing of the attempt before it.
    assert_eq!(NeverLeft::find(&*error), None);
    assert!(!chain(&error).concat().contains("closed"));
    assert!(!format!("{error:?}").contains("closed"), "{error:?}");

    let script = Script::new((0..3).map(|_| never_left(Refusal::Transient)));
    let error = run(&prompt(), &script, post()).await.expect_err("refused");
    let info = RetryInfo::find(&*error).expect("an info");
    assert!(info.refusal().is_none());
}

#[tokio::test(start_paused = true)]
async fn departures_are_the_attempts_less_those_that_surely_did_not_leave() {
    let local = || never_left(Refusal::Local);
    let dead = || never_left(Refusal::Transient);
    for (answers, attempts, departures) in [
        (vec![local(), status(200)], 2, 1),
        (vec![dead(), dead(), status(200)], 3, 1),
        (vec![status(503), local(), status(200)], 3, 2),
        (vec![broken(), status(200)], 2, 2),
        (vec![renewed(), dead(), status(200)], 3, 2),
    ] {
        let script = Script::new(answers);
        let outcome = run(&prompt(), &script, get()).await.expect("a response");
        let info = RetryInfo::of(outcome.extensions());
        assert_eq!((info.attempts(), info.departures()), (attempts, departures));
    }
    let script = Script::new([dead(), dead(), dead()]);
    let error = run(&prompt(), &script, get()).await.expect_err("dead");
    let info = RetryInfo::find(&*error).expect("an info");
    assert_eq!((info.attempts(), info.departures()), (3, 0));

    // Nobody knows of the one that is under way at the deadline.
    let layer = prompt().deadline(4 * SECOND);
    let script = Script::slow([(SECOND, dead()), (9 * SECOND, status(200))]);
    let error = run(&layer, &script, get()).await.expect_err("too late");
    let info = RetryInfo::find(&*error).expect("an info");
    assert_eq!((info.attempts(), info.departures()), (2, 1));

    // Nothing to tell is one of each.
    let info = RetryInfo::of(&http::Extensions::new());
    assert_eq!((info.attempts(), info.departures()), (1, 1));
}
