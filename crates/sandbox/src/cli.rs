//! The binary's flags, and what it prints.

use std::{io, time::Duration};

use clap::{Args, Parser, Subcommand};
use sandbox::{
    Faults, Latency, PortfolioCredential, Report, Toromarket, ToromarketConfig, Torque,
    TorqueConfig, parse_duration,
};

/// Torque or Toromarket as a local server, with faults on demand.
#[derive(Debug, Parser)]
#[command(name = "sandbox")]
pub(crate) struct Cli {
    #[command(subcommand)]
    system: System,
}

#[derive(Debug, Subcommand)]
enum System {
    /// Reads, chats, trades; 100 requests per rolling minute and business key.
    Torque {
        #[command(flatten)]
        torque: TorqueFlags,
        #[command(flatten)]
        common: CommonFlags,
    },
    /// Agents, logins, orders; 10 requests per rolling minute and agent, 100 once it is claimed.
    Toromarket {
        #[command(flatten)]
        toromarket: ToromarketFlags,
        #[command(flatten)]
        common: CommonFlags,
    },
}

#[derive(Debug, Args)]
struct TorqueFlags {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Requests per window and business key.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// A business key that is accepted; may be repeated.
    #[arg(long = "key", default_value = "sk_live_sandbox")]
    keys: Vec<String>,
    /// Lifetime of minted wallet tokens.
    #[arg(long, default_value = "15m", value_parser = parse_duration)]
    wallet_lifetime: Duration,
    /// Lifetime of delegated tokens.
    #[arg(long, default_value = "1h", value_parser = parse_duration)]
    delegated_lifetime: Duration,
    /// The portfolio wants the business key instead of the wallet token.
    #[arg(long)]
    portfolio_by_key: bool,
    /// The business keys have no entitlement to end users.
    #[arg(long)]
    no_entitlement: bool,
}

#[derive(Debug, Args)]
struct ToromarketFlags {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 3001)]
    port: u16,
    /// Requests per window and agent.
    #[arg(long, default_value_t = 10)]
    limit: u32,
    /// The same, once the agent is claimed.
    #[arg(long, default_value_t = 100)]
    claimed_limit: u32,
    /// Lifetime of tokens.
    #[arg(long, default_value = "7d", value_parser = parse_duration)]
    token_lifetime: Duration,
}

/// Probabilities are 0 to 1; latencies are 80ms, 20ms..200ms, or 80ms/1500ms (median/99th percentile).
#[derive(Debug, Args)]
struct CommonFlags {
    /// The window's length.
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    window: Duration,
    /// Rejected requests take a place in the window too.
    #[arg(long)]
    count_rejected: bool,
    /// Seed of the faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Time before a request is counted.
    #[arg(long, default_value = "0")]
    latency_before: Latency,
    /// Time after it was counted.
    #[arg(long, default_value = "0")]
    latency_after: Latency,
    /// Stamps are made this long after the answer.
    #[arg(long, default_value = "0")]
    count_late: Latency,
    /// Stamps are whole seconds, compared inclusively.
    #[arg(long)]
    whole_seconds: bool,
    /// Probability of a 5xx before any work.
    #[arg(long, default_value_t = 0.0)]
    server_error: f64,
    /// Probability of a 5xx after the work was done.
    #[arg(long, default_value_t = 0.0)]
    server_error_after: f64,
    /// Probability that the connection goes before the request is counted.
    #[arg(long, default_value_t = 0.0)]
    drop_before: f64,
    /// Probability that it goes while the work is being done.
    #[arg(long, default_value_t = 0.0)]
    drop_during: f64,
    /// Probability that it goes instead of the answer.
    #[arg(long, default_value_t = 0.0)]
    drop_after: f64,
    /// Probability that an answer is cut in the middle of its body.
    #[arg(long, default_value_t = 0.0)]
    cut_body: f64,
    /// Probability that a connection takes no more requests after an answer.
    #[arg(long, default_value_t = 0.0)]
    retire: f64,
    /// Dropped connections are reset rather than closed.
    #[arg(long)]
    reset: bool,
    /// Part of the tokens that die half-way through their lifetime.
    #[arg(long, default_value_t = 0.0)]
    expire_early: f64,
    /// Part of the tokens that are rejected though fresh.
    #[arg(long, default_value_t = 0.0)]
    reject_fresh: f64,
    /// Seconds by which the server's clock is off.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    clock_offset: i64,
}

impl CommonFlags {
    fn faults(&self) -> io::Result<Faults> {
        let faults = Faults {
            latency_before: self.latency_before,
            latency_after: self.latency_after,
            count_late: self.count_late,
            whole_seconds: self.whole_seconds,
            server_error: self.server_error,
            server_error_after: self.server_error_after,
            drop_before: self.drop_before,
            drop_during: self.drop_during,
            drop_after: self.drop_after,
            cut_body: self.cut_body,
            retire: self.retire,
            reset: self.reset,
            expire_early: self.expire_early,
            reject_fresh: self.reject_fresh,
            clock_offset: self.clock_offset,
            ..Faults::none()
        };
        if faults.is_possible() {
            Ok(faults)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "probabilities are between 0 and 1, and so are of those that exclude each other (--server-error and \
                 --server-error-after, --drop-during and --drop-after, --cut-body and --retire) the sums",
            ))
        }
    }
}

/// Serves until ctrl-c, then prints the report.
pub(crate) async fn run(cli: Cli) -> io::Result<()> {
    let report = match cli.system {
        System::Torque { torque, common } => serve_torque(torque, common).await?,
        System::Toromarket { toromarket, common } => serve_toromarket(toromarket, common).await?,
    };
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

async fn serve_torque(flags: TorqueFlags, common: CommonFlags) -> io::Result<Report> {
    let torque = Torque::start(TorqueConfig {
        port: flags.port,
        limit: flags.limit,
        window: common.window,
        count_rejected: common.count_rejected,
        business_keys: flags.keys,
        wallet_jwt_lifetime: flags.wallet_lifetime,
        delegated_lifetime: flags.delegated_lifetime,
        portfolio: if flags.portfolio_by_key {
            PortfolioCredential::BusinessKey
        } else {
            PortfolioCredential::Wallet
        },
        entitled: !flags.no_entitlement,
        faults: common.faults()?,
        seed: common.seed,
        ..TorqueConfig::default()
    })
    .await?;
    let (base, control) = (
        torque.base_url(),
        format!("http://{}/__sandbox", torque.addr()),
    );
    let key = torque.business_key();
    println!(
        "Torque sandbox at {base}, {} requests per {:?} and key\n",
        flags.limit, common.window
    );
    println!("export TORQUE_KEY={key}");
    println!("export WALLET_JWT=$(curl -sS -X POST {control}/mint | jq -r .token)\n");
    println!(
        "curl -sS \"{base}/intelligence/feed\" -H \"Authorization: Bearer $TORQUE_KEY\" | jq '.meta.manifestVersion, (.items | length)'"
    );
    println!("curl -sS -X POST \"{base}/execute/trades\" -H \"Authorization: Bearer $WALLET_JWT\"");
    hints(&control);
    tokio::signal::ctrl_c().await?;
    torque.stop().await;
    Ok(torque.report())
}

async fn serve_toromarket(flags: ToromarketFlags, common: CommonFlags) -> io::Result<Report> {
    let toromarket = Toromarket::start(ToromarketConfig {
        port: flags.port,
        limit: flags.limit,
        claimed_limit: flags.claimed_limit,
        window: common.window,
        count_rejected: common.count_rejected,
        token_lifetime: flags.token_lifetime,
        faults: common.faults()?,
        seed: common.seed,
        ..ToromarketConfig::default()
    })
    .await?;
    let (base, control) = (
        toromarket.base_url(),
        format!("http://{}/__sandbox", toromarket.addr()),
    );
    toromarket.add_agent("agent@example.com", "sandbox", "sandbox-password");
    println!(
        "Toromarket sandbox at {base}, {} requests per {:?} and agent\n",
        flags.limit, common.window
    );
    println!(
        "export TOKEN=$(curl -sS -X POST {base}/auth/login -H 'Content-Type: application/json' \\\n  -d '{{\"email\":\"agent@example.com\",\"password\":\"sandbox-password\"}}' | jq -r .data.token)\n"
    );
    println!("curl -sS -i {base}/agents/me -H \"Authorization: Bearer $TOKEN\"");
    hints(&control);
    tokio::signal::ctrl_c().await?;
    toromarket.stop().await;
    Ok(toromarket.report())
}

fn hints(control: &str) {
    println!("curl -sS {control}/report | jq");
    println!(
        "curl -sS -X POST {control}/faults -d '{{\"latency_before\":\"80ms/1500ms\",\"drop_after\":0.1}}'\n"
    );
    println!("ctrl-c stops it and prints the report");
}
