// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `anchor-relay`: see README.md for the operator's guide.

#![forbid(unsafe_code)]
// The futures of the key services' clients are deep: with their features the default is too low.
#![recursion_limit = "256"]

use anchor_relay::{
    Observer,
    config::{Config, Overrides},
    dry_run::dry_run,
    http,
    journal::{Journal, JournalError},
    metrics::Shared,
    relay::Relay,
    report,
    secret_url::{Hiding, Secrets},
    sink::{Key, KeyError, KeySource, read_private, secret_from_hex, write_keystore},
    verify,
};
use clap::{Parser, Subcommand};
use std::{
    borrow::Cow,
    future::IntoFuture,
    io::IsTerminal,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use ves_primitives::StreamId;

/// What may be in no line that this program writes; known once the settings are read.
static SECRETS: OnceLock<Secrets> = OnceLock::new();

/// Longest wait for the running tick when told to stop.
const GRACE: Duration = Duration::from_secs(20);

const EXIT_OTHER: u8 = 1;
const EXIT_CONFIG: u8 = 2;
const EXIT_KEY: u8 = 3;
const EXIT_HALT: u8 = 4;
const EXIT_JOURNAL: u8 = 5;
const EXIT_AUDIT: u8 = 6;

/// Anchors the appchain's finalized batches, in order, in a SetRegistry on an EVM chain.
///
/// Every setting is a flag, an environment variable or an entry of the configuration file, in this
/// order of precedence.
///
/// Exit codes: 0 stopped as asked, 1 other error, 2 configuration, 3 key, 4 the appchain node
/// contradicts finality, 5 journal, 6 the audit found a difference.
#[derive(Parser)]
#[command(name = "anchor-relay", version)]
struct Cli {
    #[command(flatten)]
    overrides: Overrides,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the relay until SIGTERM or SIGINT.
    Run,
    /// Show what the journal and the contract say. Works beside a running relay.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what the relay would send next: calls, gas, fees, cost. Sends and changes nothing. Goes by
    /// the journal; before the first run by the appchain itself.
    Plan {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Audit: walk the whole appchain anew and compare every finalized batch and proof with the
    /// contract, field by field. Needs no journal; changes nothing.
    Verify {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Batches and proofs that are not anchored yet are differences too.
        #[arg(long)]
        complete: bool,
        /// With --complete: what is younger than this by the appchain's slots may be missing.
        #[arg(
            long,
            value_name = "SECONDS",
            default_value_t = 0,
            requires = "complete"
        )]
        grace_secs: u64,
        /// Nobody else uses the registry: any further batch in it is a difference. Without it batches
        /// of other users are counted only.
        #[arg(long)]
        alone: bool,
    },
    /// Let a stream that was set aside go on. The relay must not run.
    Release {
        /// Stream id, as `status` shows it with --json.
        stream: StreamId,
    },
    /// Work with keys. Nothing else needs to be configured.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Work with the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Write a new key into an encrypted JSON keystore.
    ///
    /// The passphrase comes from --passphrase-file, VES_RELAY_PASSPHRASE or the terminal.
    New {
        /// The keystore; must not exist.
        file: PathBuf,
    },
    /// Write a key that exists into an encrypted JSON keystore.
    Import {
        /// The keystore; must not exist.
        file: PathBuf,
        /// File with the key in hex, mode 0600; without it the terminal is asked.
        #[arg(long)]
        from: Option<PathBuf>,
    },
    /// Open a keystore and show its address.
    Address {
        /// The keystore.
        file: PathBuf,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Check the configuration and the key, without connecting to anything.
    Check,
}

/// What ended the program, and with which code.
struct Failure(u8, String);

impl Failure {
    fn new(code: u8, error: impl ToString) -> Self {
        Self(code, error.to_string())
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::new(EXIT_JOURNAL, error)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "info,sqlx=warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Hiding::new(std::io::stderr(), SECRETS.get()))
        .init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(EXIT_OTHER);
        }
    };
    match runtime.block_on(dispatch(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, message)) => {
            eprintln!("error: {}", shown(&message));
            ExitCode::from(code)
        }
    }
}

async fn dispatch(cli: Cli) -> Result<(), Failure> {
    if let Command::Key { command } = cli.command {
        return key(command, &cli.overrides).map_err(|e| Failure::new(EXIT_KEY, e));
    }
    let config = Config::load(&cli.overrides).map_err(|e| Failure::new(EXIT_CONFIG, e))?;
    // Set nowhere else.
    let _ = SECRETS.set(config.secrets());
    match cli.command {
        Command::Run => run(config).await,
        Command::Status { json } => {
            let status = report::status(&config).await?;
            print(json, &status, || status.to_string())
        }
        Command::Plan { json } => {
            let plan = dry_run(&config, config.node())
                .await
                .map_err(|e| Failure::new(EXIT_OTHER, e))?;
            print(json, &plan, || plan.to_string())
        }
        Command::Verify {
            json,
            complete,
            grace_secs,
            alone,
        } => {
            let scope = verify::Scope {
                grace: Duration::from_secs(grace_secs),
                alone,
            };
            let audit = verify::audit(&config, config.node(), scope)
                .await
                .map_err(|e| Failure::new(EXIT_OTHER, e))?;
            print(json, &audit, || audit.to_string())?;
            match audit.holds(complete) {
                true => Ok(()),
                false => Err(Failure::new(EXIT_AUDIT, "contract and appchain differ")),
            }
        }
        Command::Release { stream } => {
            let journal = Journal::open(&config.journal).await?;
            let released = journal.release(stream).await?;
            journal.close().await;
            if released {
                println!("{stream} goes on with the next run");
                return Ok(());
            }
            let why = "the stream is not set aside, or its appchain data is broken";
            Err(Failure::new(EXIT_OTHER, why))
        }
        // Above, since it needs no configuration.
        Command::Key { .. } => Ok(()),
        Command::Config {
            command: ConfigCommand::Check,
        } => {
            let (signer, sender) = signer(&config).await?;
            println!("node         {}", config.node_url);
            if let Some(url) = &config.witness_url {
                println!("witness      {url}");
            }
            let proven = if config.prove_reads { "yes" } else { "no" };
            println!("reads proven {proven}");
            println!("destination  {} chain {}", config.rpc_url, config.chain_id);
            if let Some(url) = &config.l2_witness_url {
                println!("l2 witness   {url}");
            }
            println!("registry     {}", config.registry);
            println!("signer       {signer}");
            println!("sender       {sender}");
            let reporter = config.reporter().map_err(|e| Failure::new(EXIT_KEY, e))?;
            println!(
                "reports      {}",
                if reporter.is_some() { "yes" } else { "no" }
            );
            println!("done at      {}", config.settings.confirmation);
            println!("journal      {}", config.journal.display());
            println!("listen       {}", config.listen);
            Ok(())
        }
    }
}

/// The signer in words and its address. A key service is not asked: nothing is connected to.
async fn signer(config: &Config) -> Result<(String, String), Failure> {
    let later = "asked of the key service at the start".to_owned();
    match &config.key {
        Some(KeySource::AwsKms(id)) if cfg!(feature = "aws-kms") => {
            Ok((format!("AWS KMS key {id}"), later))
        }
        Some(KeySource::GcpKms(name)) if cfg!(feature = "gcp-kms") => {
            Ok((format!("Google Cloud KMS key {name}"), later))
        }
        _ => {
            let key = config.key().await.map_err(|e| Failure::new(EXIT_KEY, e))?;
            Ok((key.origin().to_owned(), key.address().to_string()))
        }
    }
}

fn key(command: KeyCommand, overrides: &Overrides) -> Result<(), KeyError> {
    let passphrase = overrides.passphrase_file.as_deref();
    let address = match command {
        KeyCommand::New { file } => write_keystore(&file, None, passphrase)?,
        KeyCommand::Import { file, from } => {
            let (text, name) = match from {
                Some(from) => (read_private(&from)?, from.display().to_string()),
                None if std::io::stdin().is_terminal() => {
                    let text = rpassword::prompt_password("private key in hex: ");
                    let text = text.map_err(|_| KeyError::Missing)?;
                    (text.into(), "what was typed".into())
                }
                None => return Err(KeyError::Missing),
            };
            let secret = secret_from_hex(&text, &name)?;
            write_keystore(&file, Some(&secret), passphrase)?
        }
        KeyCommand::Address { file } => Key::from_file(&file, passphrase, false)?.address(),
    };
    println!("{address}");
    Ok(())
}

fn print<T: serde::Serialize>(
    json: bool,
    value: &T,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if json {
        let json = serde_json::to_string_pretty(value).map_err(|e| Failure::new(EXIT_OTHER, e))?;
        println!("{}", shown(&json));
    } else {
        print!("{}", shown(&text()));
    }
    Ok(())
}

/// The text as it may be written.
fn shown(text: &str) -> Cow<'_, str> {
    match SECRETS.get() {
        Some(secrets) => secrets.hide(text),
        None => text.into(),
    }
}

async fn run(config: Config) -> Result<(), Failure> {
    let other = |e: &dyn std::fmt::Display| Failure::new(EXIT_OTHER, e);
    let key = config.key().await.map_err(|e| Failure::new(EXIT_KEY, e))?;
    let chain = config
        .chain(key.address())
        .map_err(|e| Failure::new(EXIT_CONFIG, e))?;
    let reporter = config.reporter().map_err(|e| Failure::new(EXIT_KEY, e))?;
    let journal = Journal::open(&config.journal).await?;
    let _held = config
        .key
        .as_ref()
        .map(KeySource::hold)
        .transpose()
        .map_err(|e| Failure::new(EXIT_KEY, e))?;
    let shared = Shared::hiding(config.secrets()).map_err(|e| other(&e))?;
    let shared = Arc::new(shared);
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        let address = config.listen;
        Failure::new(
            EXIT_CONFIG,
            format!("cannot listen on {address}: {error}. Set http.listen"),
        )
    })?;
    let address = listener.local_addr().map_err(|e| other(&e))?;
    tracing::info!(%address, sender = %key.address(), signer = key.origin(), journal = %config.journal.display(), "started");
    let (stop_now, stop) = watch::channel(false);
    let mut term = signal(SignalKind::terminate()).map_err(|e| other(&e))?;
    let relay = Relay {
        journal: Arc::new(journal),
        source: config.node(),
        chain: Arc::new(chain),
        key,
        settings: config.settings.clone(),
        shared: Arc::clone(&shared),
        reporter,
        observer: Observer::default(),
    };
    let server = axum::serve(listener, http::router(shared, config.limits)).into_future();
    let mut work = tokio::spawn(relay.run(stop));
    tokio::select! {
        result = &mut work => return ended(result),
        result = server => {
            result.map_err(|e| other(&e))?;
        }
        _ = term.recv() => tracing::info!("SIGTERM: finishing the running step"),
        _ = tokio::signal::ctrl_c() => tracing::info!("SIGINT: finishing the running step"),
    }
    stop_now.send_replace(true);
    match tokio::time::timeout(GRACE, work).await {
        Ok(result) => ended(result),
        // Nothing is lost: the journal has it.
        Err(_) => {
            tracing::warn!("the running step did not end in time");
            Ok(())
        }
    }
}

fn ended(
    result: Result<Result<(), anchor_relay::source::Halt>, tokio::task::JoinError>,
) -> Result<(), Failure> {
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(halt)) => Err(Failure::new(EXIT_HALT, halt)),
        Err(error) => Err(Failure::new(EXIT_OTHER, error)),
    }
}
