// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! One server: what it is allowed, what it remembers, and how every call runs.

use super::{
    McpArgs,
    access::{self, Mode},
    answer::Answer,
    approval::Approvals,
    audit::{Audit, Record, Verdict},
    confirm::Asking,
    secrets::Secrets,
    tools::{Call, Outcome, Tool},
    values::{Amounts, Limits},
};
use crate::{
    cli::Global,
    commands::Context,
    config::{ConfigFile, process_env},
    error::{Exit, Failure, Result},
    home::read_bounded,
    reading::Readable,
};
use rmcp::model::{
    InputRequiredResult, JsonObject, ProgressNotificationParam, ProgressToken, RequestStateCodec,
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Calls that run at the same time; further ones are turned away.
const MAX_CALLS: usize = 16;
/// Largest arguments of one call, as JSON text. Bundles are the largest.
pub(super) const MAX_ARGUMENT_BYTES: usize = 1024 * 1024;
/// How often a client that wishes it hears that a call goes on.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// Shortest token of HTTP clients.
const MIN_TOKEN_CHARS: usize = 32;
const MAX_TOKEN_BYTES: u64 = 4096;

/// One server.
pub(super) struct Host {
    pub(super) global: Global,
    pub(super) args: McpArgs,
    pub(super) mode: Mode,
    pub(super) readable: Readable,
    /// What a push may be worth.
    pub(super) limits: Limits,
    /// What HTTP clients must present.
    pub(super) token: Option<Zeroizing<String>>,
    /// Seals what a client must hand back unchanged.
    pub(super) codec: RequestStateCodec,
    /// Held by whoever changes something: one at a time.
    pub(super) turn: tokio::sync::Mutex<()>,
    run: String,
    transport: &'static str,
    audit: Audit,
    approvals: Mutex<Approvals>,
    slots: Semaphore,
}

/// How a call ended.
pub(super) enum Ended {
    /// With an answer.
    Answer(Answer),
    /// With a question to a person.
    Ask(Box<InputRequiredResult>),
}

impl Host {
    pub(super) fn new(
        global: Global,
        args: McpArgs,
        log: &Path,
        transport: &'static str,
    ) -> Result<Self> {
        let mut key = Zeroizing::new([0u8; 32]);
        rand::RngCore::fill_bytes(&mut rand::rngs::OsRng, &mut key[..]);
        Ok(Self {
            mode: args.mode(),
            readable: access::readable(&args),
            limits: limits(&global, &args)?,
            token: match args.http {
                Some(_) => Some(http_token(&args)?),
                None => None,
            },
            codec: RequestStateCodec::try_new(key.as_slice())
                .map_err(|error| Failure::unexpected(error.to_string()))?,
            turn: tokio::sync::Mutex::new(()),
            run: uuid::Uuid::new_v4().to_string(),
            transport,
            audit: Audit::open(log)?,
            approvals: Mutex::new(Approvals::new(Duration::from_secs(
                args.token_seconds.into(),
            ))),
            slots: Semaphore::new(MAX_CALLS),
            global,
            args,
        })
    }

    pub(super) fn approvals(&self) -> MutexGuard<'_, Approvals> {
        // Whoever panicked here left it whole: each change is one step.
        self.approvals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this server has the tool.
    pub(super) fn has(&self, tool: &Tool) -> bool {
        let decrypts = self.readable != Readable::Entities(Vec::new());
        tool.needs <= self.mode && (!tool.decrypts || decrypts)
    }

    /// Why this server does not have the tool.
    pub(super) fn lacks(&self, tool: &Tool) -> Failure {
        let flag = if tool.needs > self.mode {
            tool.needs.flag()
        } else {
            "--allow-decrypt"
        };
        Failure::new(
            Exit::Refused,
            "not_allowed",
            format!("this server does not have {}", tool.name),
        )
        .hint(format!(
            "the operator allows it with `stateset-sync mcp {flag}`"
        ))
    }

    fn record(&self, call: &str, verdict: Verdict, asking: &Asking<'_>) -> Record {
        let short = |text: String| text.chars().take(128).collect::<String>();
        let client = asking.context.client_info();
        Record {
            run: self.run.clone(),
            transport: self.transport.to_owned(),
            client: client.map(|client| short(format!("{} {}", client.name, client.version))),
            protocol: asking.context.protocol_version().map(|v| v.to_string()),
            mode: self.mode.name().to_owned(),
            ..Record::new(call, verdict)
        }
    }

    /// Notes a call that was turned away.
    ///
    /// # Errors
    /// `audit_unavailable`.
    pub(super) fn note_refusal(&self, call: &str, code: &str, asking: &Asking<'_>) -> Result<()> {
        let call: String = call.chars().take(128).collect();
        self.audit.write(Record {
            code: Some(code.to_owned()),
            ..self.record(&call, Verdict::Refused, asking)
        })
    }

    /// Runs a tool, under the name by which it was called.
    pub(super) async fn perform(
        &self,
        (tool, name): (&Tool, &str),
        arguments: JsonObject,
        asking: &Asking<'_>,
    ) -> Ended {
        let text = serde_json::to_string(&arguments).unwrap_or_default();
        let record = |verdict| self.record(name, verdict, asking).arguments(&text);
        let context = Context::unattended(&self.global, self.readable.clone());
        let secrets = match &context {
            Ok(context) => Secrets::of(context, self.token.as_ref().map(|token| token.as_str())),
            Err(_) => Secrets::bare(self.token.as_ref().map(|token| token.as_str())),
        };
        let outcome = match (context, self.slots.try_acquire()) {
            (Err(failure), _) => Err(failure),
            (_, Err(_)) => Err(busy()),
            (Ok(_), Ok(_)) if text.len() > MAX_ARGUMENT_BYTES => Err(too_large(text.len())),
            (Ok(context), Ok(_slot)) => {
                let begun = match tool.needs {
                    Mode::Read => Ok(()),
                    Mode::Write | Mode::Admin => self.audit.write(record(Verdict::Begun)),
                };
                match begun {
                    Err(failure) => Err(failure),
                    Ok(()) => {
                        let call = Call {
                            host: self,
                            context,
                            arguments,
                            asking,
                        };
                        attend((tool.run)(call), asking, (tool, name)).await
                    }
                }
            }
        };
        let (ended, mut noted) = match outcome {
            Ok(Outcome::Ask(ask)) => (Ended::Ask(ask), record(Verdict::Asked)),
            Ok(Outcome::Done(report)) => {
                let answer = Answer::new(Ok(*report), &secrets);
                let verdict = match answer.failure {
                    None => Verdict::Done,
                    Some(_) => Verdict::Failed,
                };
                (Ended::Answer(answer), record(verdict))
            }
            Err(failure) => {
                let verdict = match failure.exit {
                    Exit::Refused => Verdict::Refused,
                    _ => Verdict::Failed,
                };
                let answer = Answer::new(Err(failure), &secrets);
                (Ended::Answer(answer), record(verdict))
            }
        };
        if let Ended::Answer(answer) = &ended {
            noted.code = answer.failure.as_ref().map(|f| f.code.to_owned());
            noted.event_ids = answer.event_ids();
        }
        match self.audit.write(noted) {
            Ok(()) => ended,
            Err(failure) => Ended::Answer(Answer::new(Err(failure), &secrets)),
        }
    }
}

/// The limits of flags and configuration.
fn limits(global: &Global, args: &McpArgs) -> Result<Limits> {
    const DEFAULT_FIELDS: [&str; 2] = ["total", "amount"];
    let config = Context::unattended(global, Readable::Entities(Vec::new()))?.config;
    let amounts = |flag: &Option<String>,
                   name: &str,
                   field: fn(&ConfigFile) -> &Option<BTreeMap<String, String>>|
     -> Result<Option<Amounts>> {
        let configured = config.get(field).map(|setting| {
            let pairs = setting
                .value
                .iter()
                .map(|(code, most)| format!("{code}={most}"));
            pairs.collect::<Vec<_>>().join(",")
        });
        let Some(text) = flag.clone().or(configured) else {
            return Ok(None);
        };
        let wrong = |why| Failure::usage("setting_invalid", format!("{name}: {why}"));
        text.parse().map(Some).map_err(wrong)
    };
    let fields = match args.value_field.as_slice() {
        [] => config.get(|c| &c.mcp_value_fields).map_or_else(
            || DEFAULT_FIELDS.map(str::to_owned).to_vec(),
            |setting| setting.value,
        ),
        named => named.to_vec(),
    };
    Ok(Limits {
        per_push: amounts(&args.max_push_value, "--max-push-value", |c| {
            &c.mcp_max_push_value
        })?,
        per_hour: amounts(&args.max_value_per_hour, "--max-value-per-hour", |c| {
            &c.mcp_max_value_per_hour
        })?,
        fields,
    })
}

fn busy() -> Failure {
    Failure::new(Exit::Refused, "busy", "too many calls run at the same time")
        .hint("wait for one of them to end, then try again")
}

fn too_large(bytes: usize) -> Failure {
    Failure::usage(
        "arguments_too_large",
        format!("the arguments have {bytes} bytes, the limit is {MAX_ARGUMENT_BYTES}"),
    )
    .hint("a payload has at most 64 KiB; put what is larger elsewhere, and its hash into the event")
}

/// Waits for a call, tells the client now and then that it goes on, and stops when the client has
/// lost interest. Whatever a command has committed by then stays.
async fn attend(
    running: super::tools::Running<'_>,
    asking: &Asking<'_>,
    (tool, name): (&Tool, &str),
) -> Result<Outcome> {
    let context = asking.context;
    let token = context.meta.get_progress_token();
    let mut running = running;
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    ticks.tick().await;
    let mut passed = 0.0;
    loop {
        tokio::select! {
            outcome = &mut running => return outcome,
            () = context.ct.cancelled() => {
                return Err(Failure::new(
                    Exit::Interrupted,
                    "cancelled",
                    "the client cancelled the call",
                )
                .hint(tool.after_cancelling()));
            }
            _ = ticks.tick() => {
                passed += PROGRESS_EVERY.as_secs_f64();
                if let Some(token) = &token {
                    tell(asking, token.clone(), passed, name).await;
                }
            }
        }
    }
}

async fn tell(asking: &Asking<'_>, token: ProgressToken, passed: f64, name: &str) {
    let note = ProgressNotificationParam::new(token, passed)
        .with_message(format!("{name}: {passed:.0} s"));
    // A client that does not listen is no reason to stop.
    let _ = asking.context.peer.notify_progress(note).await;
}

fn http_token(args: &McpArgs) -> Result<Zeroizing<String>> {
    let token = match &args.http_token_file {
        Some(path) => {
            let bytes = Zeroizing::new(read_bounded(path, MAX_TOKEN_BYTES)?);
            let text = String::from_utf8_lossy(&bytes);
            Zeroizing::new(text.lines().next().unwrap_or_default().trim().to_owned())
        }
        None => Zeroizing::new(process_env("VES_MCP_TOKEN").unwrap_or_default()),
    };
    let usable = token.len() >= MIN_TOKEN_CHARS && token.bytes().all(|b| b.is_ascii_graphic());
    if usable {
        return Ok(token);
    }
    Err(Failure::new(
        Exit::Usage,
        "http_token_missing",
        format!("HTTP needs a token of at least {MIN_TOKEN_CHARS} printable characters"),
    )
    .hint(
        "put one into a file, for instance of `openssl rand -hex 32`, and give \
         --http-token-file, or set VES_MCP_TOKEN",
    ))
}
