// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `mcp`: the agent's functions as tools of a model, over the Model Context Protocol.
//!
//! 1. A tool runs a command, not a copy of it: what it answers is the command's `--json` object.
//! 2. The model gets what the operator allows at the start: reading by default, writing,
//!    administering, and apart from these decrypting. What is not allowed is not listed.
//! 3. What becomes public takes two steps: the first shows it and returns a token, the second does
//!    it for that token. The token holds for exactly the events that were shown, for minutes, once.
//! 4. Every call is in the audit log before its answer leaves; a call that changes something is in
//!    it before it begins.
//! 5. Nothing that leaves holds a secret of this process.
//! 6. What other agents wrote is data: marked as such, cut to a length, and never part of a
//!    description or of an instruction.

mod access;
mod answer;
mod approval;
mod audit;
mod confirm;
mod host;
mod http;
mod input;
mod prompts;
mod resources;
mod schema;
mod secrets;
mod server;
mod stdio;
mod tools;
mod values;
mod volume;

use crate::{
    cli::Global,
    commands::Context,
    error::{Failure, Result},
    output::Report,
};
use access::{Confirm, EntityTypes, Mode};
use clap::Args;
use host::Host;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};

pub(crate) const EXAMPLES: &str = "\
Examples:
  stateset-sync mcp
  stateset-sync mcp --allow-write --allow-decrypt=order,refund
  stateset-sync mcp --allow-write --max-push-value USD=500 --max-value-per-hour USD=2000
  VES_MCP_TOKEN=… stateset-sync mcp --http 127.0.0.1:8090
  stateset-sync mcp --check-audit

A client starts the server itself, for instance with
  {\"mcpServers\": {\"ves\": {\"command\": \"stateset-sync\", \"args\": [\"mcp\", \"--allow-write\"],
    \"env\": {\"VES_HOME\": \"/path/to/.stateset\", \"VES_PASSPHRASE_FILE\": \"/path/to/passphrase\"}}}}";

/// `mcp`
#[derive(Clone, Debug, Args)]
pub struct McpArgs {
    /// Only look and verify; the default.
    #[arg(long, conflicts_with_all = ["allow_write", "allow_admin"])]
    pub read_only: bool,
    /// Capture events, push, pull and prove too.
    #[arg(long)]
    pub allow_write: bool,
    /// Change keys and groups and decide about conflicts too; includes --allow-write.
    #[arg(long)]
    pub allow_admin: bool,
    /// Decrypt payloads of entities of these types, as in order,refund.* [without types: all]
    #[arg(long, value_name = "TYPE,…", num_args = 0..=1, require_equals = true,
        default_missing_value = "*")]
    pub allow_decrypt: Option<EntityTypes>,
    /// Whether a person confirms what becomes public, where the client can ask one.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub confirm: Confirm,
    /// Most events in one push.
    #[arg(long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_push_events: u32,
    /// Most events pushed in an hour, by all servers of the project together.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub max_events_per_hour: u32,
    /// Most value in one push, by currency, as in USD=1000.00,JPY=50000; other currencies may then not go
    /// out [config: mcp_max_push_value]
    #[arg(long, value_name = "CODE=AMOUNT,…")]
    pub max_push_value: Option<String>,
    /// Most value pushed in an hour, by currency [config: mcp_max_value_per_hour]
    #[arg(long, value_name = "CODE=AMOUNT,…")]
    pub max_value_per_hour: Option<String>,
    /// Members of payloads that hold values, with dots between names; all of them count [default:
    /// total,amount] [config: mcp_value_fields]
    #[arg(long, value_name = "PATH,…", value_delimiter = ',')]
    pub value_field: Vec<String>,
    /// Seconds for which the token of a first step holds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300,
        value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub token_seconds: u32,
    /// Audit log [default: mcp-audit.jsonl in the state directory]
    #[arg(long, value_name = "FILE")]
    pub audit_log: Option<PathBuf>,
    /// Check that the audit log is one unbroken chain, and end.
    #[arg(long)]
    pub check_audit: bool,
    /// Serve streamable HTTP at this loopback address, path /mcp, instead of stdin and stdout.
    #[arg(long, value_name = "ADDRESS")]
    pub http: Option<SocketAddr>,
    /// File whose first line is the token that HTTP clients must present [env, the token itself:
    /// VES_MCP_TOKEN]
    #[arg(long, value_name = "FILE", requires = "http")]
    pub http_token_file: Option<PathBuf>,
    /// Names besides localhost under which HTTP clients may reach the server, for instance behind
    /// a proxy.
    #[arg(long, value_name = "HOST,…", value_delimiter = ',', requires = "http")]
    pub http_allow_host: Vec<String>,
    /// Origins of web pages that may call the server [default: none]
    #[arg(
        long,
        value_name = "ORIGIN,…",
        value_delimiter = ',',
        requires = "http"
    )]
    pub http_allow_origin: Vec<String>,
    /// File whose first line is the administrator's secret phrase or seed, for tools that need one
    /// [env, the secret itself: VES_ADMIN_SURI]
    #[arg(long, value_name = "FILE", requires = "allow_admin")]
    pub admin_suri_file: Option<PathBuf>,
    /// Use a well-known development account. Works on development chains only.
    #[arg(long, value_name = "//NAME", num_args = 0..=1, default_missing_value = "//Alice",
        conflicts_with = "admin_suri_file", requires = "allow_admin")]
    pub dev_admin: Option<String>,
}

impl McpArgs {
    fn mode(&self) -> Mode {
        match (self.allow_admin, self.allow_write) {
            (true, _) => Mode::Admin,
            (false, true) => Mode::Write,
            (false, false) => Mode::Read,
        }
    }
}

/// Serves until the client leaves.
pub(crate) async fn run(global: Global, args: McpArgs) -> Result<Report> {
    let context = Context::unattended(&global, access::readable(&args))?;
    context.config.require_initialised()?;
    let log = args
        .audit_log
        .clone()
        .unwrap_or_else(|| context.config.home.path().join("mcp-audit.jsonl"));
    if args.check_audit {
        return audit::check(&log);
    }
    if global.json || global.output_format.is_some() {
        return Err(Failure::usage(
            "usage",
            "--json does not go with mcp: stdout belongs to the protocol",
        ));
    }
    let http = args.http;
    let transport = if http.is_some() { "http" } else { "stdio" };
    let host = Arc::new(Host::new(global, args, &log, transport)?);
    match http {
        None => stdio::serve(host).await?,
        Some(address) => http::serve(host, address).await?,
    }
    Ok(Report::new("ves.cli.mcp"))
}
