//! Trades over connections that break, in short; `cargo run --release --example trades` is the long form.

use examples::trades::args::{Args, Protocol};
use examples::trades::report::Report;

/// Enough that by this seed everything that can go wrong does.
const FEW: u32 = 400;

async fn run(protocol: Protocol, args: Args) -> Report {
    let args = Args {
        protocol,
        trades: FEW,
        json: true,
        ..args
    };
    examples::trades::run::run(args).await.expect("a run")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trades_without_a_key_are_sent_again_on_proof_alone() {
    for protocol in [Protocol::H1, Protocol::H2] {
        let report = run(protocol, Args::default()).await;
        assert!(report.clean, "{report:#?}");
        assert!(report.unknown > 0 && report.refused > 0, "{report:#?}");
        assert_eq!(report.replays, report.replays_by_the_layer);
        assert_eq!(report.replays, report.never_left);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trades_with_a_key_all_succeed_and_each_once() {
    for protocol in [Protocol::H1, Protocol::H2] {
        let keyed = Args {
            key: true,
            ..Args::default()
        };
        let report = run(protocol, keyed).await;
        assert!(report.clean, "{report:#?}");
        assert_eq!((report.succeeded, report.executed), (400, 400));
        assert!(
            report.answers_repeated > 0,
            "some had been carried out when they came again: {report:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn naive_retries_carry_trades_out_twice() {
    for protocol in [Protocol::H1, Protocol::H2] {
        let naive = Args {
            naive: true,
            ..Args::default()
        };
        let report = run(protocol, naive).await;
        assert!(report.executed_twice > 0 && !report.clean, "{report:#?}");
    }
}
