// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Every setting by its three names: in the file, as a flag, in the environment.

use crate::secret_url::SecretUrl;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf};

macro_rules! settings {
    ($(
        $(#[doc = $doc:literal])*
        $(#[arg($($extra:tt)*)])?
        $section:ident . $field:ident ($flag:literal, $env:literal): $ty:ty;
    )*) => {
        /// Flags and environment. Each overrides the file.
        #[derive(Args, Clone, Debug, Default)]
        pub struct Overrides {
            /// Configuration file (TOML).
            #[arg(long, env = "VES_RELAY_CONFIG", hide_env_values = true, value_name = "FILE", global = true)]
            pub config: Option<PathBuf>,
            /// Read the private key from VES_RELAY_DEV_KEY. For development only.
            #[arg(long, global = true)]
            pub dev_key_from_env: bool,
            $(
                $(#[doc = $doc])*
                // The help would show what the environment holds.
                #[arg(long = $flag, env = $env, hide_env_values = true, global = true)]
                $(#[arg($($extra)*)])?
                pub $field: Option<$ty>,
            )*
        }

        impl Overrides {
            /// Puts flags and environment over the file's values.
            pub(super) fn apply(&self, file: &mut File) {
                $(
                    if let Some(value) = &self.$field {
                        file.$section.$field = Some(value.clone());
                    }
                )*
            }
        }
    };
}

settings! {
    /// URL of an appchain node, ws:// or http://.
    source.node_url("node-url", "VES_RELAY_NODE_URL"): SecretUrl;
    /// Genesis hash the node must have; without it the first one seen is pinned.
    source.genesis("genesis", "VES_RELAY_GENESIS"): String;
    /// File with the secret of the appchain account that reports what is anchored; needs a
    /// WebSocket.
    source.report_key_file("report-key-file", "VES_RELAY_REPORT_KEY_FILE"): PathBuf;
    /// Seconds between such reports.
    source.report_secs("report-secs", "VES_RELAY_REPORT_SECS"): u64;
    /// Check what the node reads from its state against the finalized header.
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    source.prove_reads("prove-reads", "VES_RELAY_PROVE_READS"): bool;
    /// URL of a second appchain node, which must report the same finalized blocks.
    source.witness_url("witness-url", "VES_RELAY_WITNESS_URL"): SecretUrl;
    /// HTTP URLs of the L2's JSON-RPC, separated by commas: one is used, the others stand by.
    destination.rpc_url("l2-url", "VES_RELAY_L2_URL"): SecretUrl;
    /// Chain id the L2 must have.
    destination.chain_id("chain-id", "VES_RELAY_CHAIN_ID"): u64;
    /// Address of the SetRegistry proxy.
    destination.registry("registry", "VES_RELAY_REGISTRY"): String;
    /// When an anchor counts as done: finalized, safe, or a number of blocks.
    destination.confirmations("confirmations", "VES_RELAY_CONFIRMATIONS"): String;
    /// Addresses of code that the registry's proxy may run, separated by commas; without it any.
    destination.implementations("implementations", "VES_RELAY_IMPLEMENTATIONS"): String;
    /// HTTP URL of a second JSON-RPC of the L2: what counts as anchored must be so there too.
    destination.l2_witness_url("l2-witness-url", "VES_RELAY_L2_WITNESS_URL"): SecretUrl;
    /// Seconds to wait for an answer of the L2.
    destination.timeout_secs("l2-timeout-secs", "VES_RELAY_L2_TIMEOUT_SECS"): u64;
    /// The key: a JSON keystore, mode 0600.
    key.key_file("key-file", "VES_RELAY_KEY_FILE"): PathBuf;
    /// File with the keystore's passphrase, mode 0600; without it VES_RELAY_PASSPHRASE or the
    /// terminal.
    key.passphrase_file("passphrase-file", "VES_RELAY_PASSPHRASE_FILE"): PathBuf;
    /// Accept a key file that is not encrypted, 32 bytes in hex. For development only.
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    key.plain("plain-key", "VES_RELAY_PLAIN_KEY"): bool;
    /// Id or ARN of a key of AWS KMS that signs; needs a build with aws-kms.
    key.aws_kms("aws-kms", "VES_RELAY_AWS_KMS"): String;
    /// Resource name of a key version of Google Cloud KMS that signs; needs a build with gcp-kms.
    key.gcp_kms("gcp-kms", "VES_RELAY_GCP_KMS"): String;
    /// The journal, a SQLite file.
    journal.path("journal", "VES_RELAY_JOURNAL"): PathBuf;
    /// Milliseconds between looks at both chains.
    send.poll_ms("poll-ms", "VES_RELAY_POLL_MS"): u64;
    /// Transactions that may be in flight.
    send.window("window", "VES_RELAY_WINDOW"): usize;
    /// Batches of one stream that may be in flight.
    send.per_stream("per-stream", "VES_RELAY_PER_STREAM"): usize;
    /// Batches that may share a transaction.
    send.max_batches("max-batches", "VES_RELAY_MAX_BATCHES"): usize;
    /// Seconds that a batch waits for its proof, so that both go in one transaction.
    send.proof_wait_secs("proof-wait-secs", "VES_RELAY_PROOF_WAIT_SECS"): u64;
    /// Gwei that may be spent in 24 hours; without it any amount.
    send.daily_budget_gwei("daily-budget-gwei", "VES_RELAY_DAILY_BUDGET_GWEI"): u64;
    /// Seconds without inclusion after which the fees are raised.
    send.bump_after_secs("bump-after-secs", "VES_RELAY_BUMP_AFTER_SECS"): u64;
    /// Gas limit of one batch or proof where it cannot be estimated, and the least ever used.
    send.gas_default("gas-default", "VES_RELAY_GAS_DEFAULT"): u64;
    /// Most gas a transaction may need.
    send.gas_cap("gas-cap", "VES_RELAY_GAS_CAP"): u64;
    /// Least priority fee, wei per gas.
    send.min_tip_wei("min-tip-wei", "VES_RELAY_MIN_TIP_WEI"): u64;
    /// Least fee cap of a transaction, wei per gas.
    send.min_fee_wei("min-fee-wei", "VES_RELAY_MIN_FEE_WEI"): u64;
    /// Most a transaction may ever offer, wei per gas.
    send.max_fee_wei("max-fee-wei", "VES_RELAY_MAX_FEE_WEI"): u64;
    /// Most times the fee that the L2 asks for now that a replacement may offer.
    send.max_multiple("max-multiple", "VES_RELAY_MAX_MULTIPLE"): u64;
    /// Up to this fee cap, wei per gas, max-multiple does not bind.
    send.multiple_from_wei("multiple-from-wei", "VES_RELAY_MULTIPLE_FROM_WEI"): u64;
    /// Balance below which nothing is sent, wei.
    send.min_balance_wei("min-balance-wei", "VES_RELAY_MIN_BALANCE_WEI"): u64;
    /// Address of /health, /ready, /metrics and /stats.
    http.listen("listen", "VES_RELAY_LISTEN"): SocketAddr;
    /// Seconds without a tick after which /health fails.
    http.health_after_secs("health-after-secs", "VES_RELAY_HEALTH_AFTER_SECS"): u64;
    /// Seconds without progress after which /ready fails.
    http.ready_after_secs("ready-after-secs", "VES_RELAY_READY_AFTER_SECS"): u64;
}

macro_rules! section {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[$meta:meta])* $field:ident: $ty:ty),* $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct $name {
            $($(#[$meta])* #[serde(skip_serializing_if = "Option::is_none")] pub(super) $field: Option<$ty>,)*
        }
    };
}

section!(SourceFile {
    node_url: SecretUrl,
    genesis: String,
    report_key_file: PathBuf,
    report_secs: u64,
    prove_reads: bool,
    witness_url: SecretUrl,
});
section!(DestinationFile {
    rpc_url: SecretUrl,
    chain_id: u64,
    registry: String,
    confirmations: String,
    implementations: String,
    #[serde(rename = "witness_url")]
    l2_witness_url: SecretUrl,
    timeout_secs: u64,
});
section!(KeyFile {
    #[serde(rename = "file")]
    key_file: PathBuf,
    passphrase_file: PathBuf,
    plain: bool,
    aws_kms: String,
    gcp_kms: String,
});
section!(JournalFile { path: PathBuf });
section!(SendFile {
    poll_ms: u64,
    window: usize,
    per_stream: usize,
    max_batches: usize,
    proof_wait_secs: u64,
    daily_budget_gwei: u64,
    bump_after_secs: u64,
    gas_default: u64,
    gas_cap: u64,
    min_tip_wei: u64,
    min_fee_wei: u64,
    max_fee_wei: u64,
    max_multiple: u64,
    multiple_from_wei: u64,
    min_balance_wei: u64,
});
section!(HttpFile {
    listen: SocketAddr,
    health_after_secs: u64,
    ready_after_secs: u64,
});

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) source: SourceFile,
    pub(super) destination: DestinationFile,
    pub(super) key: KeyFile,
    pub(super) journal: JournalFile,
    pub(super) send: SendFile,
    pub(super) http: HttpFile,
}
