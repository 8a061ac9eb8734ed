// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The command line: its grammar and its help, which is the manual.

use crate::{
    error::{Failure, Result},
    json,
};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use ves_primitives::{AmountCommitment, CurrencyTag, EventId, GenesisHash, Policy, StateRoot};

const EXIT_CODES: &str = "\
Exit codes:
  0  everything asked for was done
  1  a failure without a code of its own
  2  wrong command line
  3  the proof does not hold, or is not one of the event, policy, limit, currency or chain given
  4  an input file is missing, too large or malformed
  5  cannot be proven: the amount is over the limit
  6  the sequencer is unreachable or answers wrongly
With --json the outcome is one JSON object on stdout, an error too: {\"error\":{\"code\":…}}.";

const EXAMPLES: &str = "\
Examples:
  ves-stark gen-inputs --limit 10000 --policy aml.threshold -o inputs.json
  ves-stark prove --amount-file - --limit 10000 --inputs inputs.json -o proof.json --json < amount
  ves-stark verify --proof proof.json --inputs inputs.json --limit 10000 --policy aml.threshold
  ves-stark benchmark -n 10
  ves-stark sequencer -n 16 --batch-size 8 --output-dir ./proofs

No output, file or error of this program holds an amount or a salt; the one exception is the
file that --total-file names, which exists to keep them.

";

/// Prove that a hidden amount obeys a public limit, and verify such proofs.
#[derive(Debug, Parser)]
#[command(name = "ves-stark", version, max_term_width = 100)]
#[command(after_help = format!("{EXAMPLES}{EXIT_CODES}"))]
pub(crate) struct Cli {
    /// Print the outcome as one JSON object
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the public inputs of a made-up event
    #[command(after_help = "\
Examples:
  ves-stark gen-inputs --limit 10000 --policy aml.threshold -o inputs.json
  ves-stark gen-inputs -l 500 -p order_total.cap")]
    GenInputs(GenInputs),
    /// Prove one event's amount
    #[command(after_help = "\
With --json the proof is a bundle that carries everything `verify` needs. Without, it is bare
base64, and stderr tells what `verify` needs beside it: the commitment, and the inputs if they
were made up.

The amount comes from --amount, --amount-file (- for stdin) or VES_STARK_AMOUNT. The latter two
keep it out of the shell's history.

Examples:
  ves-stark prove --amount 5000 --limit 10000 --inputs inputs.json --output proof.json --json
  printf 5000 | ves-stark prove --amount-file - -l 10000 -i inputs.json > proof.b64
  ves-stark prove --amount-file a -l 50000 -p agent.budget.v1 --total-file total.secret --json")]
    Prove(Prove),
    /// Fetch an event's inputs from a sequencer, prove, submit the proof
    #[command(after_help = "\
The API key comes from STATESET_API_KEY. It is sent over https, or over http to this machine.

Examples:
  ves-stark prove-submit --sequencer-url https://sequencer.example --event-id <uuid> \\
      --amount-file amount --limit 10000 --payload-salt <hex> --verify")]
    ProveSubmit(ProveSubmit),
    /// Verify one event's proof
    #[command(after_help = "\
A bundle carries its own inputs; --inputs then checks that they are the expected ones, and may be
the file that was given to `prove`. A bare proof needs --inputs and --witness-commitment-hex.

Examples:
  ves-stark verify --proof proof.json --inputs inputs.json --limit 10000 --policy aml.threshold
  ves-stark verify -f proof.b64 -i inputs.json -l 10000 --witness-commitment-hex <hex>")]
    Verify(Verify),
    /// Show what a proof file says, without believing it
    #[command(after_help = "\
Examples:
  ves-stark inspect --proof proof.json
  ves-stark inspect -f batch_proof.json --json")]
    Inspect(Inspect),
    /// Measure proving, verifying and proof sizes
    #[command(after_help = "\
Examples:
  ves-stark benchmark -n 10 --max-amount 10000 --limit 10000
  ves-stark benchmark -n 100 --json")]
    Benchmark(Benchmark),
    /// Prove many events of one stream at once
    #[command(after_help = "\
Without --events the events are made up. An events file is an array of
{\"amount\":N,\"publicInputs\":{…},\"currency\":\"USD:2\",\"payloadSalt\":\"hex\"}; the last two may be
left out. Sequences must follow each other. The file holds amounts: protect it.

Away from a chain there are no signed envelopes, so the leaves are built over a signature of zeros.

Examples:
  ves-stark batch-prove -n 8 --limit 10000 --output batch_proof.json
  ves-stark batch-prove --events events.json -o batch_proof.json")]
    BatchProve(BatchProve),
    /// Verify a batch proof and the state roots it goes with
    #[command(after_help = "\
Examples:
  ves-stark batch-verify --proof batch_proof.json
  ves-stark batch-verify -f batch_proof.json -i inputs.json   # an array of public inputs")]
    BatchVerify(BatchVerify),
    /// Simulate a sequencer: batches of made-up events, proven, verified and chained
    #[command(after_help = "\
Writes batch_0001.json … and final_state.json. With --include-violations every fifth event is over
its limit (never the first of a batch); such events are listed and not proven.

Examples:
  ves-stark sequencer -n 16 --batch-size 8 --limit 10000 --output-dir ./proofs")]
    Sequencer(Sequencer),
}

/// Which policy.
#[derive(Clone, Debug, Args)]
pub(crate) struct PolicyKind {
    /// aml.threshold, order_total.cap, agent.authorization.v1 or agent.budget.v1
    #[arg(short, long, default_value = "aml.threshold", value_name = "ID")]
    pub(crate) policy: String,
    /// Hash of the intent, for agent.authorization.v1
    #[arg(long, value_name = "HEX")]
    pub(crate) intent_hash: Option<String>,
}

impl PolicyKind {
    /// The policy with its limit.
    ///
    /// # Errors
    /// [`Exit::Usage`](crate::error::Exit::Usage).
    pub(crate) fn with_limit(&self, limit: u64) -> Result<Policy> {
        let intent = self.intent_hash.as_deref();
        let policy = match self.policy.as_str() {
            "aml.threshold" => Policy::AmlThreshold { threshold: limit },
            "order_total.cap" => Policy::OrderTotalCap { cap: limit },
            "agent.budget.v1" => Policy::AgentBudget {
                budget_limit: limit,
            },
            "agent.authorization.v1" => {
                let intent = intent.ok_or_else(|| {
                    Failure::usage("intent_hash", "agent.authorization.v1 needs --intent-hash")
                })?;
                return Ok(Policy::AgentAuthorization {
                    max_total: limit,
                    intent_hash: json::plain_hex(intent).ok_or_else(|| {
                        Failure::usage(
                            "intent_hash",
                            "--intent-hash is not 64 lower-case hex digits",
                        )
                    })?,
                });
            }
            _ => {
                return Err(Failure::usage(
                    "unknown_policy",
                    "unknown policy (aml.threshold, order_total.cap, agent.authorization.v1, \
                     agent.budget.v1)",
                ));
            }
        };
        if intent.is_some() {
            return Err(Failure::usage(
                "intent_hash",
                "--intent-hash goes with agent.authorization.v1 only",
            ));
        }
        // A threshold of zero allows no amount at all.
        policy
            .effective_limit()
            .map_err(|error| Failure::usage("limit", error.to_string()))?;
        Ok(policy)
    }
}

/// A policy and its limit.
#[derive(Clone, Debug, Args)]
pub(crate) struct PolicyArgs {
    /// Threshold (exclusive), cap, maximal total or budget (inclusive)
    #[arg(short, long, value_name = "N")]
    pub(crate) limit: u64,
    #[command(flatten)]
    pub(crate) kind: PolicyKind,
}

impl PolicyArgs {
    /// The policy.
    ///
    /// # Errors
    /// [`Exit::Usage`](crate::error::Exit::Usage).
    pub(crate) fn policy(&self) -> Result<Policy> {
        self.kind.with_limit(self.limit)
    }
}

/// What a proof is bound to beside its inputs.
#[derive(Clone, Debug, Args)]
pub(crate) struct Binding {
    /// Currency and decimal places that amount and limit are counted in
    #[arg(long, default_value = "USD:2", value_name = "CODE:SCALE")]
    pub(crate) currency: CurrencyTag,
    #[command(flatten)]
    pub(crate) chain: Chain,
}

/// The chain a proof is for.
#[derive(Clone, Debug, Args)]
pub(crate) struct Chain {
    /// Hash of the chain's block 0; all zeros away from a chain
    #[arg(long, value_name = "HEX", default_value_t = GenesisHash([0; 32]), hide_default_value = true)]
    pub(crate) genesis: GenesisHash,
}

/// The secrets of one event.
#[derive(Args)]
pub(crate) struct AmountArgs {
    /// The amount, in units of the currency's last decimal place
    #[arg(
        short,
        long,
        value_name = "N",
        env = "VES_STARK_AMOUNT",
        hide_env_values = true
    )]
    #[arg(allow_hyphen_values = true)]
    pub(crate) amount: Option<String>,
    /// File with the amount; - for stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) amount_file: Option<PathBuf>,
    /// The payload's salt, 16 bytes: the commitment's salt is derived from it and the event id, so
    /// that readers of the payload can check the commitment [default: a random salt]
    #[arg(
        long,
        value_name = "HEX",
        env = "VES_STARK_PAYLOAD_SALT",
        hide_env_values = true
    )]
    #[arg(allow_hyphen_values = true)]
    pub(crate) payload_salt: Option<String>,
}

impl std::fmt::Debug for AmountArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AmountArgs(secret)")
    }
}

#[derive(Debug, Args)]
pub(crate) struct GenInputs {
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// File to write [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// The running total of a budget.
#[derive(Clone, Debug, Args)]
pub(crate) struct TotalArgs {
    /// Secret file with the running total of a budget, mode 0600: created when missing, updated
    /// when the proof is handed out (agent.budget.v1)
    #[arg(long, value_name = "FILE")]
    pub(crate) total_file: Option<PathBuf>,
    /// The total before this event: checked against --total-file, or its start when missing
    #[arg(
        long,
        value_name = "N",
        env = "VES_STARK_PREVIOUS_TOTAL",
        hide_env_values = true
    )]
    #[arg(allow_hyphen_values = true)]
    pub(crate) previous_total: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Prove {
    #[command(flatten)]
    pub(crate) amount: AmountArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Public inputs of the event [default: a made-up event]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) inputs: Option<PathBuf>,
    /// Authorization receipt whose receiptHash is bound (agent.authorization.v1 and --json)
    #[arg(long, value_name = "FILE")]
    pub(crate) authorization_receipt: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) binding: Binding,
    #[command(flatten)]
    pub(crate) total: TotalArgs,
    /// File to write [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ProveSubmit {
    /// Base URL of the sequencer
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    pub(crate) sequencer_url: String,
    /// The event
    #[arg(long, value_name = "UUID")]
    pub(crate) event_id: EventId,
    #[command(flatten)]
    pub(crate) amount: AmountArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Authorization receipt whose receiptHash is bound (agent.authorization.v1)
    #[arg(long, value_name = "FILE")]
    pub(crate) authorization_receipt: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) binding: Binding,
    #[command(flatten)]
    pub(crate) total: TotalArgs,
    /// Have the sequencer verify the proof it stored
    #[arg(long)]
    pub(crate) verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Bundle or base64 proof; - for stdin
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) proof: PathBuf,
    /// Public inputs the proof must be for
    #[arg(short, long, value_name = "FILE")]
    pub(crate) inputs: Option<PathBuf>,
    /// The amount commitment, for a bare proof; for a bundle, the one expected
    #[arg(long, value_name = "HEX")]
    pub(crate) witness_commitment_hex: Option<AmountCommitment>,
    /// The commitment to the total before this event that is expected (agent.budget.v1)
    #[arg(long, value_name = "HEX")]
    pub(crate) previous_commitment_hex: Option<AmountCommitment>,
    /// Authorization receipt the proof must be bound to
    #[arg(long, value_name = "FILE")]
    pub(crate) authorization_receipt: Option<PathBuf>,
    /// Amount binding the proof must be bound to
    #[arg(long, value_name = "FILE")]
    pub(crate) amount_binding: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) binding: Binding,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Bundle, batch or base64 proof; - for stdin
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) proof: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Benchmark {
    /// Proofs to make
    #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) count: u32,
    /// Amounts are drawn from 0 to this, or to the limit if that is less
    #[arg(short, long, default_value_t = 10_000, value_name = "N")]
    pub(crate) max_amount: u64,
    /// Threshold (exclusive) or cap (inclusive)
    #[arg(short, long, default_value_t = 10_000, value_name = "N")]
    pub(crate) limit: u64,
    #[command(flatten)]
    pub(crate) kind: PolicyKind,
}

#[derive(Debug, Args)]
pub(crate) struct BatchProve {
    /// How many events to make up
    #[arg(short = 'n', long, default_value_t = 8, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=128))]
    pub(crate) num_events: u32,
    /// Limit of made-up events
    #[arg(short, long, default_value_t = 10_000, value_name = "N")]
    pub(crate) limit: u64,
    #[command(flatten)]
    pub(crate) kind: PolicyKind,
    /// Events with their amounts
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["num_events", "limit", "policy"])]
    pub(crate) events: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) binding: Binding,
    /// State root of the stream before this batch; all zeros before the first
    #[arg(long, value_name = "HEX", default_value_t = StateRoot::GENESIS, hide_default_value = true)]
    pub(crate) prev_state_root: StateRoot,
    /// Batches of the stream before this one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) batch_index: u64,
    /// File to write [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BatchVerify {
    /// Batch proof; - for stdin
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) proof: PathBuf,
    /// Array of the public inputs the proof must be for, in order
    #[arg(short, long, value_name = "FILE")]
    pub(crate) inputs: Option<PathBuf>,
    /// Currency that every event must have [default: whatever the file says]
    #[arg(long, value_name = "CODE:SCALE")]
    pub(crate) currency: Option<CurrencyTag>,
    #[command(flatten)]
    pub(crate) chain: Chain,
    /// State root that the batch must continue [default: whatever the file says]
    #[arg(long, value_name = "HEX")]
    pub(crate) prev_state_root: Option<StateRoot>,
}

#[derive(Debug, Args)]
pub(crate) struct Sequencer {
    /// Events to make up
    #[arg(short = 'n', long, default_value_t = 16, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) num_events: u32,
    /// Most events of one batch
    #[arg(short, long, default_value_t = 8, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=128))]
    pub(crate) batch_size: u32,
    /// Limit of every event
    #[arg(short, long, default_value_t = 10_000, value_name = "N")]
    pub(crate) limit: u64,
    #[command(flatten)]
    pub(crate) kind: PolicyKind,
    #[command(flatten)]
    pub(crate) binding: Binding,
    /// Make every fifth event break its limit
    #[arg(long)]
    pub(crate) include_violations: bool,
    /// Directory to write to [default: nothing is written]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output_dir: Option<PathBuf>,
}
