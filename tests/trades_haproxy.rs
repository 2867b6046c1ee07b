//! Trades through HAProxy, which says of some that it refused them after its backend has carried them out.
//!
//! Needs Debian's `haproxy` on the PATH: `cargo test -p tests --features haproxy-tests --test trades_haproxy`.

use examples::trades::args::{Args, Protocol};
use examples::trades::report::Report;

async fn run(args: Args) -> Report {
    let args = Args {
        through_haproxy: true,
        trades: 400,
        json: true,
        ..args
    };
    examples::trades::run::run(args).await.expect("a run")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_proxy_claims_about_a_trade_without_a_key_is_not_believed() {
    let report = run(Args {
        protocol: Protocol::H2,
        ..Args::default()
    })
    .await;
    assert!(report.clean, "{report:#?}");
    assert!(report.claimed_unprocessed > 0, "{report:#?}");
    assert_eq!(report.replays, report.never_left, "none but on proof");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn believed_claims_carry_trades_out_twice() {
    let report = run(Args {
        protocol: Protocol::H2,
        trust_refusals: true,
        ..Args::default()
    })
    .await;
    assert!(report.executed_twice > 0, "{report:#?}");
    assert_eq!(report.proof_refuted, 0, "a claim is no proof");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trades_with_a_key_all_succeed_and_each_once() {
    for protocol in [Protocol::H1, Protocol::H2] {
        let report = run(Args {
            protocol,
            key: true,
            ..Args::default()
        })
        .await;
        assert!(report.clean, "{report:#?}");
        assert_eq!((report.succeeded, report.executed), (400, 400));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http1_the_proxy_claims_nothing_and_none_is_carried_out_twice() {
    let report = run(Args::default()).await;
    assert!(report.clean, "{report:#?}");
    assert_eq!(report.claimed_unprocessed, 0);
}
