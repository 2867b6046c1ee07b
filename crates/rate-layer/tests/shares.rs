//! Two rules that count one request in the same window: each has a share of what it takes there.
#![cfg(not(loom))]

mod support;

use std::num::NonZeroUsize;
use std::time::Duration;

use call_context::BoxError;
use http::{HeaderName, Request, Response};
use proptest::prelude::*;
use rate_layer::{
    Charge, Keyed, MINUTE, Quota, RateError, RateErrorKind, RateLayer, ResponseHead, Rule, SECOND,
    Start, Stated, Statements, Window, Windows, key,
};
use support::{MS, Server, settle};
use tokio::time::{advance, sleep};
use tower::{Layer, ServiceExt};

const SENDER: HeaderName = HeaderName::from_static("x-sender");
const RECEIVER: HeaderName = HeaderName::from_static("x-receiver");
/// Places are held for 1010 ms.
const HUNDRED: Quota = Quota::rolling(100, SECOND);

/// What a request costs its two accounts, what its response says that it has cost them, and what that states of the limit.
#[derive(Clone, Debug, Default)]
struct Transfer {
    costs: [u32; 2],
    told: [Option<u32>; 2],
    stated: [Option<Stated>; 2],
}

fn costs(sender: u32, receiver: u32) -> Transfer {
    Transfer {
        costs: [sender, receiver],
        ..Transfer::default()
    }
}

impl Transfer {
    fn told(self, sender: impl Into<Option<u32>>, receiver: impl Into<Option<u32>>) -> Self {
        let told = [sender.into(), receiver.into()];
        Self { told, ..self }
    }

    fn between(self, sender: &str, receiver: &str) -> Request<()> {
        let request = Request::get("/transfers")
            .header(SENDER, sender)
            .header(RECEIVER, receiver)
            .extension(self);
        request.body(()).expect("a request")
    }

    /// An account that sends something to itself.
    fn within(self, account: &str) -> Request<()> {
        self.between(account, account)
    }
}

/// Answers with what the request says that it answers.
fn server(latency: Duration) -> Server {
    Server::with_latency(latency).responding(|request| {
        let transfer = request.extensions().get::<Transfer>().expect("a transfer");
        let mut response = Response::new(());
        response.extensions_mut().insert(transfer.clone());
        response
    })
}

/// The rule of the sender's account, or of the receiver's.
fn rule(windows: &Windows, number: usize) -> Rule {
    let of = move |transfer: Option<&Transfer>| transfer.map_or(1, |one| one.costs[number]);
    let account = [SENDER, RECEIVER][number].clone();
    Rule::new(Keyed::shared(windows.clone(), key::header(account)))
        .cost(move |head| of(head.extensions().get()))
        .correct(move |head| head.extensions().get::<Transfer>()?.told[number])
}

fn both(windows: &Windows) -> [Rule; 2] {
    [rule(windows, 0), rule(windows, 1)]
}

fn layer([sender, receiver]: [Rule; 2]) -> RateLayer {
    RateLayer::new(sender).also(receiver).max_wait(MINUTE)
}

async fn send(layer: &RateLayer, request: Request<()>) -> Result<Response<()>, BoxError> {
    layer.layer(server(Duration::ZERO)).oneshot(request).await
}

fn charge_of(mut response: Response<()>) -> Charge {
    let charge = response.extensions_mut().remove::<Charge>();
    charge.expect("a charge")
}

fn used(windows: &Windows, account: &str) -> u32 {
    let window = windows.window(account).expect("there is room");
    window.snapshot().used
}

fn own_costs(charge: &Charge) -> Vec<u32> {
    charge.each().map(|one| one.cost()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_response_says_of_one_of_the_rules_changes_that_ones_share_alone() {
    for (told, counted) in [
        ([None, None], 7),
        ([Some(1), None], 6),
        ([None, Some(1)], 3),
        ([Some(30), None], 35),
        ([None, Some(90)], 92),
        ([Some(0), None], 5),
        ([None, Some(0)], 2),
        ([Some(1), Some(1)], 2),
        ([Some(30), Some(40)], 70),
        ([Some(0), Some(0)], 0),
        ([Some(4_000_000_000), Some(4_000_000_000)], u32::MAX),
    ] {
        let windows = Windows::new(HUNDRED);
        let layer = layer(both(&windows));
        let transfer = costs(2, 5).told(told[0], told[1]);
        let request = transfer.clone().within("own");
        send(&layer, request).await.expect("there is room");
        assert_eq!(used(&windows, "own"), counted, "{told:?}");
        // Apart, each counts by itself.
        let request = transfer.between("one", "other");
        send(&layer, request).await.expect("there is room");
        let expected = [told[0].unwrap_or(2), told[1].unwrap_or(5)];
        let apart = ["one", "other"].map(|account| used(&windows, account));
        assert_eq!(apart, expected, "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_rules_the_one_that_is_charged_later_is_charged() {
    for late in [0, 1] {
        let windows = Windows::new(HUNDRED);
        let rules = [0, 1].map(|number| match rule(&windows, number) {
            rule if number == late => rule.charged_later(),
            rule => rule,
        });
        let transfer = costs(2, 5);
        let fixed = transfer.costs[1 - late];
        let response = send(&layer(rules), transfer.clone().within("own")).await;
        let mut charge = charge_of(response.expect("there is room"));
        assert_eq!(charge.cost(), transfer.costs[late]);
        assert_eq!(own_costs(&charge), [transfer.costs[late]]);
        for cost in [9, 0, 120, 3] {
            charge.set(cost);
            assert_eq!(used(&windows, "own"), fixed + cost, "{late}");
            assert_eq!((charge.cost(), own_costs(&charge)), (cost, vec![cost]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_charged_later_goes_by_what_the_headers_said_until_then() {
    let windows = Windows::new(HUNDRED);
    let layer = layer(both(&windows).map(Rule::charged_later));
    let transfer = costs(2, 5).told(20, None);
    let response = send(&layer, transfer.within("own")).await;
    let charge = charge_of(response.expect("there is room"));
    assert_eq!((own_costs(&charge), charge.cost()), (vec![20, 5], 20));
    for (number, cost, sum) in [(1, 50, 70), (0, 0, 50), (1, 0, 0), (0, 7, 7), (1, 1, 8)] {
        charge.each().nth(number).expect("there are two").set(cost);
        assert_eq!(used(&windows, "own"), sum);
    }
    assert_eq!(own_costs(&charge), [7, 1], "clones are one charge");
    let mut all = charge.clone();
    all.set(4);
    assert_eq!(used(&windows, "own"), 8, "what is set holds for each");
    assert_eq!((own_costs(&charge), charge.cost()), (vec![4, 4], 4));
}

#[tokio::test(start_paused = true)]
async fn a_share_of_more_than_can_be_counted_is_what_can_until_it_is_set_right() {
    let windows = Windows::new(HUNDRED);
    let layer = layer(both(&windows).map(Rule::charged_later));
    let before = costs(50, 0).within("own");
    send(&layer, before).await.expect("there is room");
    let response = send(&layer, costs(2, 5).within("own")).await;
    let charge = charge_of(response.expect("there is room"));
    let [mut sender, mut receiver] = [0, 1].map(|n| charge.each().nth(n).expect("there are two"));
    sender.set(u32::MAX);
    assert_eq!(used(&windows, "own"), u32::MAX);
    assert_eq!(own_costs(&charge), [u32::MAX - 50, 5]);
    receiver.set(4);
    assert_eq!(used(&windows, "own"), u32::MAX);
    sender.set(3);
    assert_eq!(used(&windows, "own"), 57);
    assert_eq!(own_costs(&charge), [3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_with_the_window_of_one_account_shares_it_with_a_rule_by_account() {
    let windows = Windows::new(HUNDRED);
    let audit = windows.window("audit").expect("there is room");
    let named = || Rule::new(audit.clone()).cost(|_| 4).charged_later();
    for rules in [
        [named(), rule(&windows, 1).charged_later()],
        [rule(&windows, 1).charged_later(), named()],
    ] {
        let before = audit.snapshot().used;
        let request = costs(0, 5).told(None, 6).between("own", "audit");
        let response = send(&layer(rules), request).await;
        let charge = charge_of(response.expect("there is room"));
        assert_eq!(audit.snapshot().used, before + 10);
        let told = own_costs(&charge).into_iter().map(|cost| cost * 3);
        for (mut one, cost) in charge.each().zip(told) {
            one.set(cost);
        }
        assert_eq!(audit.snapshot().used, before + 30);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_by_which_a_request_costs_nothing_has_no_share_and_gets_none() {
    for none in [0, 1] {
        let windows = Windows::new(HUNDRED);
        let mut transfer = costs(3, 3).told(8, 8);
        transfer.costs[none] = 0;
        let layer = layer(both(&windows).map(Rule::charged_later));
        let response = send(&layer, transfer.within("own")).await;
        assert_eq!(used(&windows, "own"), 8, "{none}");
        let mut charge = charge_of(response.expect("there is room"));
        assert_eq!(own_costs(&charge), [8]);
        charge.set(5);
        assert_eq!(used(&windows, "own"), 5, "{none}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_in_line_for_the_sum_has_its_shares_as_well() {
    let windows = Windows::new(HUNDRED);
    let layer = layer(both(&windows).map(Rule::charged_later));
    let before = costs(60, 0).within("own");
    send(&layer, before).await.expect("there is room");
    // Either would fit by itself.
    let client = layer.layer(server(Duration::ZERO));
    let transfer = costs(30, 20).told(None, 25);
    let waits = tokio::spawn(client.oneshot(transfer.within("own")));
    settle().await;
    let window = windows.window("own").expect("there");
    assert_eq!((window.snapshot().used, window.snapshot().waiting), (60, 1));
    sleep(1_010 * MS).await;
    let response = waits.await.expect("no panic").expect("served");
    assert_eq!(used(&windows, "own"), 55);
    let charge = charge_of(response);
    assert_eq!(own_costs(&charge), [30, 25]);
    charge.each().next().expect("there are two").set(1);
    assert_eq!(used(&windows, "own"), 26);
}

#[tokio::test(start_paused = true)]
async fn what_costs_more_than_there_is_by_both_together_is_told_so() {
    let windows = Windows::new(HUNDRED);
    let layer = layer(both(&windows));
    let error = send(&layer, costs(60, 41).within("own")).await;
    let error = error.expect_err("too dear");
    let error = error.downcast_ref::<RateError>().expect("ours");
    assert_eq!(error.kind(), RateErrorKind::CostTooHigh);
    let text = "the request costs 101 places and its window has 100 for it";
    assert!(error.to_string().starts_with(text), "{error}");
    assert_eq!(used(&windows, "own"), 0, "all or none");
    let counts = windows.window("own").expect("there").snapshot().counts;
    assert_eq!((counts.admitted, counts.refused), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_slips_in_between_what_one_rule_gives_back_and_another_takes() {
    let windows = Windows::new(HUNDRED);
    let layer = layer(both(&windows));
    let client = layer.layer(server(100 * MS));
    let transfer = costs(50, 50).told(0, 100);
    let first = tokio::spawn(client.oneshot(transfer.within("own")));
    settle().await;
    let waits = layer.layer(server(Duration::ZERO));
    let waits = tokio::spawn(waits.oneshot(costs(1, 0).within("own")));
    settle().await;
    sleep(100 * MS).await;
    first.await.expect("no panic").expect("served");
    settle().await;
    assert_eq!(used(&windows, "own"), 100);
    assert!(!waits.is_finished(), "there is no room for it");
    sleep(1_010 * MS).await;
    waits.await.expect("no panic").expect("served");
}

#[tokio::test(start_paused = true)]
async fn a_charge_after_the_window_has_passed_changes_nothing() {
    let windows = Windows::new(HUNDRED);
    let layer = layer(both(&windows).map(Rule::charged_later));
    let response = send(&layer, costs(2, 5).within("own")).await;
    let charge = charge_of(response.expect("there is room"));
    sleep(1_009 * MS).await;
    charge.each().next().expect("there are two").set(3);
    assert_eq!(used(&windows, "own"), 8);
    sleep(MS).await;
    for (number, cost) in [(0, 50), (1, 0), (1, 80)] {
        charge.each().nth(number).expect("there are two").set(cost);
        assert_eq!(used(&windows, "own"), 0);
    }
    send(&layer, costs(1, 0).within("own"))
        .await
        .expect("there is room");
    charge.clone().set(100);
    assert_eq!(used(&windows, "own"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_kept_as_long_as_either_share_may_be_set_right() {
    let two = NonZeroUsize::new(2).expect("not zero");
    let windows = Windows::bounded(HUNDRED, two, MINUTE);
    let layer = layer(both(&windows).map(Rule::charged_later)).refuse();
    let response = send(&layer, costs(2, 5).within("own")).await;
    let charge = charge_of(response.expect("there is room"));
    let [mut sender, mut receiver] = [0, 1].map(|n| charge.each().nth(n).expect("there are two"));
    sender.set(0);
    receiver.set(0);
    let other = costs(1, 1).within("other");
    send(&layer, other).await.expect("there is room");
    let kind = |outcome: Result<Response<()>, BoxError>| {
        let error = outcome.expect_err("both keys are kept");
        error.downcast_ref::<RateError>().expect("ours").kind()
    };
    let third = || costs(1, 1).within("third");
    let kept = kind(send(&layer, third()).await);
    assert_eq!(kept, RateErrorKind::TooManyKeys);
    receiver.set(9);
    assert_eq!(used(&windows, "own"), 9);
    sleep(1_010 * MS).await;
    send(&layer, third()).await.expect("one has been forgotten");
    for cost in [100, 0] {
        sender.set(cost);
        let charged = ["third", "other"].map(|account| used(&windows, account));
        assert_eq!(charged, [2, 0], "the key is another's by now");
    }
}

#[tokio::test(start_paused = true)]
async fn layers_around_each_other_have_their_own_shares_of_the_window_that_all_share() {
    let windows = Windows::new(Quota::rolling(10_000, SECOND));
    let asking = || layer(both(&windows).map(Rule::charged_later));
    let inner = asking().layer(server(Duration::ZERO));
    let client = asking().layer(inner);
    let response = client.oneshot(costs(2, 5).within("own")).await;
    let charge = charge_of(response.expect("there is room"));
    assert_eq!(own_costs(&charge), [2, 5, 2, 5]);
    assert_eq!(used(&windows, "own"), 14);
    for told in [[1, 20, 300, 4_000], [0, 0, 1, 0], [7, 6, 5, 4]] {
        for (mut one, cost) in charge.each().zip(told) {
            one.set(cost);
        }
        assert_eq!(own_costs(&charge), told);
        assert_eq!(used(&windows, "own"), told.iter().sum::<u32>());
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_left_gives_both_shares_back_and_what_was_abandoned_keeps_both() {
    let windows = Windows::new(HUNDRED.grace(SECOND));
    let layer = layer(both(&windows));
    let client = layer.layer(server(MINUTE));
    let call = tokio::spawn(client.oneshot(costs(2, 5).within("own")));
    settle().await;
    let window = windows.window("own").expect("there");
    assert_eq!(window.snapshot().in_flight, 7);
    call.abort();
    settle().await;
    advance(2_009 * MS).await;
    assert_eq!(used(&windows, "own"), 7);
    advance(MS).await;
    assert_eq!(used(&windows, "own"), 0);

    let offline = tower::service_fn(|_: Request<()>| async {
        let mark = call_context::NeverLeft::wrap(call_context::Refusal::Transient, "no connection");
        Err::<Response<()>, BoxError>(mark.into())
    });
    let outcome = layer.layer(offline).oneshot(costs(2, 5).within("own"));
    outcome.await.expect_err("there is no connection");
    let snapshot = window.snapshot();
    assert_eq!((snapshot.used, snapshot.in_flight), (0, 0));
    assert_eq!(
        (snapshot.counts.given_back, snapshot.counts.abandoned),
        (1, 1)
    );
}

/// Reads what the response states to the rule of this number.
fn dialect(number: usize) -> impl Fn(&ResponseHead<'_>, &mut Statements) + Send + Sync + 'static {
    move |head: &ResponseHead<'_>, statements: &mut Statements| {
        let transfer = head.extensions().get::<Transfer>();
        if let Some(stated) = transfer.and_then(|transfer| transfer.stated[number]) {
            statements.push(stated);
        }
    }
}

async fn hears(quota: Quota, listening: [bool; 2], stated: [Option<Stated>; 2]) -> Window {
    let windows = Windows::new(quota);
    let rules = [0, 1].map(|number| match rule(&windows, number) {
        rule if listening[number] => rule.listen(dialect(number)),
        rule => rule,
    });
    let transfer = Transfer {
        stated,
        ..costs(2, 5)
    };
    let response = send(&layer(rules), transfer.within("own")).await;
    response.expect("there is room");
    windows.window("own").expect("there")
}

#[tokio::test(start_paused = true)]
async fn both_rules_of_a_window_are_heard_and_the_stricter_word_holds() {
    let (few, many) = (Stated::new().remaining(10), Stated::new().remaining(60));
    for (listening, stated, used) in [
        ([true, false], [Some(few), None], 90),
        ([false, true], [None, Some(few)], 90),
        ([true, true], [Some(few), Some(many)], 90),
        ([true, true], [Some(many), Some(few)], 90),
        ([true, true], [Some(many), Some(many)], 40),
        ([true, true], [None, None], 7),
    ] {
        let window = hears(HUNDRED, listening, stated).await;
        assert_eq!(window.snapshot().used, used, "{listening:?} {stated:?}");
    }
    let (low, high) = (Stated::new().limit(30), Stated::new().limit(50));
    for (stated, limit) in [
        ([Some(low), Some(high)], 30),
        ([Some(high), Some(low)], 30),
        ([Some(high), None], 50),
        ([None, Some(high)], 50),
        ([Some(high), Some(Stated::new().limit(0))], 50),
        ([Some(high), Some(Stated::new().limit(900))], 50),
        ([None, None], 100),
    ] {
        let window = hears(HUNDRED.adopt_up_to(500), [true, true], stated).await;
        assert_eq!(window.snapshot().limit, limit, "{stated:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_neither_can_heed_is_noted_once_and_one_that_one_can_is_not() {
    let elsewhere = Stated::new().limit(9).window(MINUTE);
    let about = Stated::new().remaining(60);
    for (stated, unheard) in [
        ([Some(elsewhere), Some(elsewhere)], 1),
        ([Some(elsewhere), Some(about)], 1),
        ([Some(elsewhere), Some(elsewhere.limit(8))], 2),
        ([Some(about), Some(about)], 0),
    ] {
        let window = hears(HUNDRED, [true, true], stated).await;
        assert_eq!(window.snapshot().counts.unheard, unheard, "{stated:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_is_seeded_by_whichever_of_its_rules_is_told_how_full_it_is() {
    let quota = HUNDRED.start(Start::Seeded);
    let left = Stated::new().remaining(60);
    for (stated, used) in [
        ([Some(left), None], 40),
        ([None, Some(left)], 40),
        // Nobody has said anything: it is taken to be full.
        ([None, None], 100),
    ] {
        let window = hears(quota, [true, true], stated).await;
        assert_eq!(window.snapshot().used, used, "{stated:?}");
    }
}

/// What may happen to requests, whose two accounts are among three.
#[derive(Clone, Debug)]
enum Step {
    Send {
        accounts: [usize; 2],
        costs: [u32; 2],
        told: [Option<u32>; 2],
    },
    /// One of the charges, as a whole or one of its rules, is told a cost.
    Charge {
        which: usize,
        rule: Option<usize>,
        cost: u32,
    },
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let cost = || prop_oneof![3 => 0_u32..9, 1 => 90_u32..110];
    let told = || prop::option::weighted(0.3, cost());
    let send = ([0_usize..3, 0..3], [0_u32..40, 0..40], (told(), told()));
    prop_oneof![
        4 => send.prop_map(|(accounts, costs, told)| Step::Send {
            accounts,
            costs,
            told: [told.0, told.1],
        }),
        4 => (0_usize..6, prop::option::weighted(0.8, 0_usize..2), cost())
            .prop_map(|(which, rule, cost)| Step::Charge { which, rule, cost }),
        2 => prop::sample::select(vec![1_u64, 300, 1_009, 1_010]).prop_map(Step::Pass),
    ]
}

/// One request as somebody remembers it who keeps a list.
#[derive(Debug)]
struct Sent {
    accounts: [usize; 2],
    /// What it costs by each rule, if that has counted it.
    costs: [Option<u32>; 2],
    free_at: u64,
    charge: Option<Charge>,
}

impl Sent {
    fn cost_in(&self, account: usize) -> u32 {
        let own = self.accounts.iter().zip(self.costs);
        own.filter(|&(&other, _)| other == account)
            .filter_map(|(_, cost)| cost)
            .sum()
    }

    fn tell(&mut self, late: [bool; 2], rule: Option<usize>, cost: u32) {
        let Some(charge) = &mut self.charge else {
            return;
        };
        let asks = |rule: usize, costs: &[Option<u32>; 2]| late[rule] && costs[rule].is_some();
        match rule {
            None => charge.set(cost),
            Some(rule) if asks(rule, &self.costs) => {
                let before = (0..rule).filter(|&rule| asks(rule, &self.costs)).count();
                charge.each().nth(before).expect("it asks").set(cost);
            }
            Some(_) => return,
        }
        for number in (0..2).filter(|&number| rule.is_none_or(|rule| rule == number)) {
            if asks(number, &self.costs) {
                self.costs[number] = Some(cost);
            }
        }
    }

    /// The charge says of each rule what the list says.
    fn check(&self, late: [bool; 2]) {
        let expected: Vec<u32> = (0..2)
            .filter(|&rule| late[rule])
            .filter_map(|rule| self.costs[rule])
            .collect();
        match &self.charge {
            Some(charge) => {
                assert_eq!(own_costs(charge), expected);
                assert_eq!(charge.cost(), expected[0]);
            }
            None => assert_eq!(expected, []),
        }
    }
}

async fn run(late: [bool; 2], steps: Vec<Step>) {
    const ACCOUNTS: [&str; 3] = ["a", "b", "c"];
    let windows = Windows::new(HUNDRED);
    let rules = [0, 1].map(|number| match rule(&windows, number) {
        rule if late[number] => rule.charged_later(),
        rule => rule,
    });
    let layer = layer(rules).refuse();
    let (mut now, mut list) = (0, Vec::<Sent>::new());
    for step in steps {
        let counted = |list: &[Sent], account: usize| {
            let there = list.iter().filter(|one| one.free_at > now);
            there.map(|one| one.cost_in(account)).sum::<u32>()
        };
        match step {
            Step::Send {
                accounts,
                costs,
                told,
            } => {
                let transfer = Transfer {
                    costs,
                    told,
                    ..Transfer::default()
                };
                let mut sent = Sent {
                    accounts,
                    costs: costs.map(|cost| (cost > 0).then_some(cost)),
                    free_at: now + 1_010,
                    charge: None,
                };
                let request = transfer.between(ACCOUNTS[accounts[0]], ACCOUNTS[accounts[1]]);
                let fits = accounts.iter().all(|&account| {
                    let own = sent.cost_in(account);
                    own == 0 || counted(&list, account) + own <= 100
                });
                match send(&layer, request).await {
                    Ok(mut response) => {
                        assert!(fits, "no more than the limit: {sent:?}");
                        sent.charge = response.extensions_mut().remove();
                        for (cost, told) in sent.costs.iter_mut().zip(told) {
                            *cost = cost.map(|cost| told.unwrap_or(cost));
                        }
                        list.push(sent);
                    }
                    Err(error) => assert!(!fits, "there is room for {sent:?}: {error}"),
                }
            }
            Step::Charge { which, rule, cost } => {
                if let Some(one) = list.iter_mut().rev().nth(which) {
                    one.tell(late, rule, cost);
                }
            }
            Step::Pass(millis) => {
                now += millis;
                advance(Duration::from_millis(millis)).await;
            }
        }
        let counted = |account: usize| {
            let there = list.iter().filter(|one| one.free_at > now);
            there.map(|one| one.cost_in(account)).sum::<u32>()
        };
        for (account, name) in ACCOUNTS.into_iter().enumerate() {
            assert_eq!(used(&windows, name), counted(account), "{name} at {now}");
        }
        list.iter().for_each(|one| one.check(late));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_said_of_whichever_share_a_window_counts_the_sum_of_all_that_is_in_it(
        late in [any::<bool>(), any::<bool>()],
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(run(late, steps));
    }
}
