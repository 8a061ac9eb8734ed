// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The commands: each turns its arguments into a [`Report`].

mod admin;
mod append;
mod authorities;
mod bundles;
mod complete;
mod config;
mod conflicts;
mod decisions;
mod doctor;
mod expiry;
mod foreign;
mod groups;
mod heads;
mod history;
mod init;
mod journal;
mod keys;
mod parked;
mod payloads;
mod proofs;
mod prove;
mod pull;
mod push;
mod recipients;
mod rotation;
mod runtime;
mod schemas;
pub(crate) mod served;
mod shell;
mod show;
mod state;
mod status;
mod sync;
mod types;
mod usage;
mod verify;

use crate::{
    anchor::Contract,
    chain::live::Live,
    cli::{
        AgentRef, Cli, Command, ConfigCommand, ContractArgs, EXIT_CODES, Global, split_colon_names,
    },
    config::{Config, ConfigFile, process_env},
    db,
    error::{Exit, Failure, Result},
    finality::Pinned,
    inbox::{self, Stream},
    interrupt::Interrupt,
    keys::KeyStore,
    output::{Format, Report, Ui},
    reading::Readable,
    vault::{Passphrase, PassphraseSource},
};
use clap::{CommandFactory, FromArgMatches, error::ErrorKind};
use serde_json::json;
use sqlx::SqlitePool;
use std::{future::Future, sync::Mutex, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tracing_subscriber::EnvFilter;
use ves_primitives::{AgentId, EventId, GenesisHash};

/// How long an interrupted command may take to end what it is in the middle of.
const ABORT_PATIENCE: Duration = Duration::from_secs(10);

/// What every command needs.
pub(crate) struct Context {
    pub(crate) ui: Ui,
    pub(crate) config: Config,
    /// Nothing may be changed, here or on chain.
    pub(crate) dry_run: bool,
    passphrases: PassphraseSource,
    /// Which encrypted payloads this run may open.
    readable: Readable,
    /// What was said last of keys that end.
    told_of_keys: Mutex<Vec<String>>,
}

impl Context {
    fn new(global: &Global, ui: Ui) -> Result<Self> {
        let cwd = std::env::current_dir().map_err(|e| {
            Failure::unexpected(format!("the working directory cannot be determined: {e}"))
        })?;
        let mut overrides = global.overrides();
        let mut config = Config::load(&overrides, &process_env, &cwd)?;
        if let Some(agent @ AgentRef::Begins(_)) = &global.agent {
            // The agent that signs is one with keys here, or the configured one.
            let mut known = KeyStore::at(config.home.keys()).agents()?;
            known.extend(config.agent().ok());
            overrides.settings.agent_id = Some(agent.among(&known)?);
            config = Config::load(&overrides, &process_env, &cwd)?;
        }
        let file = config
            .get(|c| &c.passphrase_file)
            .map(|setting| setting.value);
        let command = config
            .get(|c| &c.passphrase_command)
            .map(|setting| setting.value);
        let passphrases =
            PassphraseSource::new(file, process_env("VES_PASSPHRASE")).or_command(command);
        Ok(Self {
            ui,
            config,
            dry_run: global.dry_run,
            passphrases,
            readable: Readable::All,
            told_of_keys: Mutex::default(),
        })
    }

    pub(crate) fn keys(&self) -> KeyStore {
        KeyStore::at(self.config.home.keys()).reading(self.readable.clone())
    }

    pub(crate) fn unlock(&self) -> Result<Passphrase> {
        self.passphrases.unlock()
    }

    /// The database. In a dry run SQLite itself refuses each write, also one that nobody thought of.
    pub(crate) async fn pool(&self) -> Result<SqlitePool> {
        self.config.require_initialised()?;
        let path = self.config.home.database();
        match self.dry_run {
            true => db::open_read_only(&path).await,
            false => db::open(&path, false).await,
        }
    }

    /// The database for a dry run that asks it by a transaction which is rolled back.
    async fn pool_to_roll_back(&self) -> Result<SqlitePool> {
        let unchanging = self.pool().await?;
        if !self.dry_run {
            return Ok(unchanging);
        }
        // What that one did not refuse needs no change to be opened.
        unchanging.close().await;
        db::open(&self.config.home.database(), false).await
    }

    /// Whether the keys of this machine can be opened without asking anybody.
    fn can_unlock_quietly(&self) -> bool {
        self.passphrases.is_given()
    }

    /// Looks agents up that are named by beginnings of their ids, among those that this machine knows.
    async fn find_agents(&self, agents: &mut [AgentRef]) -> Result<()> {
        if agents
            .iter()
            .all(|agent| matches!(agent, AgentRef::Full(_)))
        {
            return Ok(());
        }
        let mut known = inbox::known_agents(&self.pool().await?).await?;
        known.extend(self.keys().agents()?);
        known.extend(self.config.agent().ok());
        for agent in agents {
            *agent = AgentRef::Full(agent.among(&known)?);
        }
        Ok(())
    }

    /// The same for one.
    async fn find_agent(&self, agent: &AgentRef) -> Result<AgentId> {
        let mut agents = [agent.clone()];
        self.find_agents(&mut agents).await?;
        let [found] = agents;
        found.id()
    }

    fn stream(&self) -> Result<Stream> {
        Ok(Stream {
            tenant: self.config.tenant()?,
            store: self.config.store()?,
        })
    }

    /// Connects, and refuses another chain than the one this project is bound to. The first
    /// connection binds it.
    async fn connect(&self) -> Result<Live> {
        let live = Live::connect(&self.config.node_url().value).await?;
        use crate::chain::Chain;
        let found = live.genesis_hash();
        match self.config.genesis() {
            Some(bound) => check_chain(bound, found)?,
            None if self.dry_run => {}
            None => self.bind(found)?,
        }
        Ok(live)
    }

    fn bind(&self, genesis: GenesisHash) -> Result<()> {
        let bound = self.bind_settings(|settings| {
            // Another process may have been the first.
            check_chain(settings.genesis_hash.unwrap_or(genesis), genesis)?;
            Ok(ConfigFile {
                genesis_hash: Some(genesis),
                ..settings
            })
        })?;
        if bound {
            self.ui
                .note(&format!("this project is now bound to chain {genesis}"));
        }
        Ok(())
    }

    /// Changes settings that belong to the chain. Says whether the file was ours to change.
    fn bind_settings(&self, bound: impl Fn(ConfigFile) -> Result<ConfigFile>) -> Result<bool> {
        let Some(path) = self.config.project_file.as_ref() else {
            return Ok(false);
        };
        // A file the user keeps elsewhere or writes by hand is not ours to rewrite.
        if *path != self.config.home.path().join("sync.json") {
            return Ok(false);
        }
        // A dry run may get here only by mistake.
        if self.dry_run {
            return Ok(false);
        }
        let _lock = self.config.home.lock()?;
        let file = ConfigFile::read(path)?;
        // A profile with a node of its own has a chain of its own.
        let chosen = self.config.profile().map(|chosen| chosen.value);
        let profile = chosen.and_then(|name| {
            let profile = file.profile_named(&name)?.clone();
            profile.node_url.is_some().then_some((name, profile))
        });
        let file = match profile {
            Some((name, profile)) => file.with_profile(&name, bound(profile)?)?,
            None => bound(file)?,
        };
        file.write(&self.config.home)?;
        Ok(true)
    }

    /// The authority set that this project pins.
    fn pinned_authorities(&self) -> Option<Pinned> {
        self.config.authority_set().map(Pinned::Named)
    }

    /// The contract to ask, if the command line calls for one.
    fn contract(&self, args: &ContractArgs) -> Result<Option<Contract>> {
        if args.l1_rpc.is_none() && args.registry.is_none() && !args.anchor {
            return Ok(None);
        }
        let missing = |what: &str, flag: &str| {
            Failure::usage(
                "contract_incomplete",
                format!("the contract's {what} is not known"),
            )
            .hint(format!("give {flag}, or put it into the configuration"))
        };
        let configured = |field: fn(&ConfigFile) -> &Option<String>| {
            self.config.get(field).map(|setting| setting.value)
        };
        let url = args
            .l1_rpc
            .clone()
            .or_else(|| configured(|c| &c.l1_rpc_url))
            .ok_or_else(|| missing("endpoint", "--l1-rpc"))?;
        let registry = args
            .registry
            .clone()
            .or_else(|| configured(|c| &c.l1_registry))
            .ok_or_else(|| missing("address", "--registry"))?;
        Contract::new(&url, &registry).map(Some)
    }
}

fn check_chain(bound: GenesisHash, found: GenesisHash) -> Result<()> {
    if bound == found {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Refused,
        "wrong_chain",
        format!("the node is on chain {found}, this project is bound to {bound}"),
    )
    .hint("give the address of a node of that chain, or bind a new project with --home"))
}

/// Finds an event by id, or by an unambiguous beginning of an id that is known here.
async fn resolve_event(pool: Option<&SqlitePool>, text: &str) -> Result<EventId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let digits: String = text
        .chars()
        .filter(|c| *c != '-')
        .collect::<String>()
        .to_lowercase();
    let plausible =
        (4..32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let Some(pool) = pool.filter(|_| plausible) else {
        return Err(
            Failure::usage("event_id_invalid", format!("{text} is not an event id"))
                .hint("give a UUID, or at least four digits of the id of a local event"),
        );
    };
    match inbox::ids_with_prefix(pool, &digits, 2).await?.as_slice() {
        [id] => Ok(*id),
        [] => Err(unknown_event(text)),
        _ => Err(Failure::usage(
            "event_id_ambiguous",
            format!("several ids begin with {text}"),
        )
        .hint("give more digits")),
    }
}

fn unknown_event(id: impl std::fmt::Display) -> Failure {
    Failure::usage("event_unknown", format!("there is no event {id} here"))
        .hint("run `stateset-sync pull`, and check tenant and store")
}

/// Runs the program on these arguments and returns its exit code.
pub async fn run(args: Vec<String>) -> Exit {
    let asked = asked_format(&args);
    let args = split_colon_names(args);
    let parsed = Cli::command()
        .try_get_matches_from(args)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return grammar_error(&error, asked),
    };
    log(cli.global.verbose);
    let global = &cli.global;
    let ui = Ui::new(global.format(), global.quiet, global.color).into_file(global.output.clone());
    let outcome = interruptible(dispatch(cli, ui.clone()), ui.interrupt()).await;
    match outcome {
        Ok(report) => ui.print(&report),
        Err(failure) => ui.print_failure(&failure),
    }
}

/// Runs a command until it ends or is interrupted. The first Ctrl-C lets it stop where it can, and tell
/// what it did; the second ends the program at once.
async fn interruptible(
    command: impl Future<Output = Result<Report>> + Send + 'static,
    interrupt: &Interrupt,
) -> Result<Report> {
    let mut presses = presses()?;
    // On a task of its own, so that a prompt that blocks its thread does not block Ctrl-C.
    let mut command = tokio::spawn(command);
    let ended = |outcome: std::result::Result<Result<Report>, tokio::task::JoinError>| {
        outcome.unwrap_or_else(|e| Err(Failure::unexpected(e)))
    };
    tokio::select! {
        outcome = &mut command => return ended(outcome),
        Some(()) = presses.recv() => {}
    }
    interrupt.raise();
    if !interrupt.is_heeded() {
        // Dropping the command rolls an open transaction back; what was committed stays.
        command.abort();
    }
    let at_once = tokio::select! {
        outcome = &mut command => match outcome {
            // Too late to stop, or it stopped by itself and says where.
            Ok(outcome) => return outcome,
            Err(_) => false,
        },
        Some(()) = presses.recv() => true,
        () = tokio::time::sleep(ABORT_PATIENCE) => true,
    };
    Err(Failure::interrupted(match at_once {
        false => "interrupted; nothing is half-written",
        true => "interrupted at once; what was not committed is undone",
    }))
}

/// Each Ctrl-C, and each request of a service manager to stop. A thread of its own listens: the command may
/// block the one that would otherwise look for signals, for instance while an external signer hangs.
fn presses() -> Result<mpsc::UnboundedReceiver<()>> {
    let (tell, told) = mpsc::unbounded_channel();
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let listened = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .and_then(|runtime| runtime.block_on(listen(&ready, &tell)));
            if let Err(error) = listened {
                let _ = ready.send(Err(error));
            }
        })
        .map_err(Failure::unexpected)?;
    // From here on no signal is missed.
    is_ready
        .recv()
        .map_err(Failure::unexpected)?
        .map_err(Failure::unexpected)?;
    Ok(told)
}

async fn listen(
    ready: &std::sync::mpsc::SyncSender<std::io::Result<()>>,
    tell: &mpsc::UnboundedSender<()>,
) -> std::io::Result<()> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut requests = signal(SignalKind::terminate())?;
    let _ = ready.send(Ok(()));
    loop {
        tokio::select! {
            _ = interrupts.recv() => {}
            _ = requests.recv() => {}
        }
        if tell.send(()).is_err() {
            return Ok(());
        }
    }
}

/// Logs go to stderr, and nowhere unless `RUST_LOG` or `-v` asks: stdout belongs to results.
fn log(verbose: u8) {
    let asked = match verbose {
        0 => EnvFilter::from_default_env(),
        1 => EnvFilter::new("warn,stateset_sync=info,ves_client=info"),
        _ => EnvFilter::new("info,stateset_sync=debug,ves_client=debug,jsonrpsee=debug"),
    };
    // Whoever embeds this library may have set up logs of their own.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(asked)
        .with_writer(std::io::stderr)
        .try_init();
}

/// The form that a command line asks for which may be wrong otherwise.
fn asked_format(args: &[String]) -> Format {
    let values = args.windows(2).filter_map(|pair| match pair {
        [flag, value] if flag == "--output-format" => Some(value.as_str()),
        _ => None,
    });
    let joined = args
        .iter()
        .filter_map(|arg| arg.strip_prefix("--output-format="));
    match values.chain(joined).last() {
        Some("jsonl") => Format::Jsonl,
        Some("json") => Format::Json,
        _ if args.iter().any(|arg| arg == "--json") => Format::Json,
        _ => Format::Text,
    }
}

fn grammar_error(error: &clap::Error, format: Format) -> Exit {
    let informational = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if format != Format::Text && !informational {
        let text = error.render().to_string();
        let message = text.trim_start_matches("error: ").trim().to_owned();
        let failure = Failure::usage("usage", message).hint("run `stateset-sync help`");
        return Ui::new(format, true, crate::output::ColorChoice::Never).print_failure(&failure);
    }
    let _ = error.print();
    if informational {
        Exit::Done
    } else {
        Exit::Usage
    }
}

async fn dispatch(cli: Cli, ui: Ui) -> Result<Report> {
    // These need no project, and must work where its files are broken.
    match &cli.command {
        Command::ExitCodes => return Ok(exit_codes()),
        Command::Completions { shell } => return shell::completions(*shell),
        Command::Man { out } => return shell::man(out.as_deref(), cli.global.dry_run),
        Command::CompleteIds { words } => return Ok(complete::ids(&cli.global, words).await),
        _ => {}
    }
    if let Command::Mcp(args) = cli.command {
        if cli.global.dry_run {
            return Err(Failure::usage("usage", "the server cannot be a dry run")
                .hint("without --allow-write it offers only tools that read"));
        }
        return crate::mcp::run(cli.global, args).await;
    }
    let context = Context::new(&cli.global, ui)?;
    // A profile comes into being with its first setting.
    if !matches!(cli.command, Command::Config(ConfigCommand::Set { .. })) {
        context.config.check_profile()?;
    }
    execute(&context, cli.command).await
}

/// Runs one command.
async fn execute(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Init(args) => init::run(context, &args).await,
        Command::Keys(command) => keys::run(context, &command).await,
        Command::Append(mut args) => {
            context.find_agents(&mut args.encrypt_to).await?;
            groups::find_all(context, &mut args.to_group).await?;
            append::run(context, &args).await
        }
        Command::Push(args) => push::run(context, &args).await,
        Command::Pull(mut args) => {
            context.find_agents(&mut args.filter.author).await?;
            pull::run(context, &args).await
        }
        Command::Status(args) => status::run(context, &args).await,
        Command::Verify(args) => verify::run(context, &args).await,
        Command::Export(args) => verify::export(context, &args).await,
        Command::Show(args) => show::run(context, &args).await,
        Command::Decrypt(args) => show::decrypt(context, &args).await,
        Command::Prove(args) => prove::run(context, &args).await,
        Command::Proofs(args) => proofs::run(context, &args).await,
        Command::History(args) => history::run(context, &args).await,
        Command::Sync(args) => sync::run(context, &args).await,
        Command::Doctor(args) => doctor::run(context, &args).await,
        Command::Conflicts => conflicts::list(context).await,
        Command::Resolve(args) => conflicts::resolve(context, &args).await,
        Command::Rebase(args) => conflicts::rebase(context, &args).await,
        Command::Retry(args) => decisions::retry(context, &args).await,
        Command::Abandon(args) => decisions::abandon(context, &args).await,
        Command::State(args) => state::run(context, &args).await,
        Command::Import(args) => bundles::import(context, &args).await,
        Command::Bundles(command) => bundles::run(context, &command).await,
        Command::Config(ConfigCommand::Show) => config::show(context),
        Command::Config(ConfigCommand::Set { name, value }) => config::set(context, &name, &value),
        Command::Config(ConfigCommand::AcceptRuntime) => runtime::accept(context).await,
        Command::Config(ConfigCommand::Validate) => config::validate(context),
        Command::Groups(command) => groups::run(context, &command).await,
        Command::Schemas(command) => schemas::run(context, &command).await,
        Command::Types(command) => types::run(context, &command).await,
        Command::Authorities(command) => authorities::run(context, &command).await,
        Command::Parked(command) => parked::run(context, &command).await,
        Command::Journal(command) => journal::run(context, &command).await,
        Command::Admin(command) => admin::run(context, &command).await,
        Command::ExitCodes => Ok(exit_codes()),
        Command::Completions { shell } => shell::completions(shell),
        Command::Mcp(_) => Err(Failure::usage("usage", "a server cannot start another")),
        Command::Man { out } => shell::man(out.as_deref(), context.dry_run),
        Command::CompleteIds { .. } => Err(Failure::usage("usage", "for shells only")),
    }
}

fn exit_codes() -> Report {
    let codes: Vec<_> = Exit::TABLE
        .iter()
        .map(|(exit, meaning)| json!({ "code": exit.code(), "meaning": meaning }))
        .collect();
    Report::new("ves.cli.exit-codes")
        .field("exit_codes", codes)
        .line(EXIT_CODES)
}
