// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What commands hand back and how it is printed: results on stdout, everything else on stderr.

use crate::{
    error::{Exit, Failure},
    interrupt::Interrupt,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Version of every JSON object this tool prints.
pub const SCHEMA_VERSION: u32 = 1;

/// The form of what is printed on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
    /// One JSON object per line: each item of a list, then what else there is to say.
    Jsonl,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or `TERM=dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A colour by meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something holds.
    Good,
    /// Something needs attention.
    Warn,
    /// Something failed.
    Bad,
    /// Secondary text.
    Dim,
}

/// How this run talks to its user.
#[derive(Clone, Debug)]
pub struct Ui {
    format: Format,
    color: bool,
    progress: bool,
    quiet: bool,
    /// Where the JSON goes instead of stdout.
    file: Option<PathBuf>,
    bar: Arc<Mutex<Option<ProgressBar>>>,
    /// One line for each object, since there may be several.
    streams: Arc<AtomicBool>,
    /// Nobody reads what is printed any more.
    closed: Arc<AtomicBool>,
    interrupt: Interrupt,
}

impl Ui {
    /// Decides colour and progress from the flags, the environment and the terminals.
    pub fn new(format: Format, quiet: bool, color: ColorChoice) -> Self {
        let json = format != Format::Text;
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => !no_color && !dumb && std::io::stdout().is_terminal(),
        };
        let progress = !json && !quiet && !dumb && std::io::stderr().is_terminal();
        Self {
            format,
            color: color && !json,
            progress,
            quiet,
            file: None,
            bar: Arc::default(),
            streams: Arc::default(),
            closed: Arc::default(),
            interrupt: Interrupt::default(),
        }
    }

    /// What tells a running command that its user wants it to stop.
    pub const fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Does the work unless the user wants it to stop first, and then drops it where it waits.
    pub async fn unless_interrupted<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.interrupt.unless(work).await
    }

    /// Writes the outcome as JSON into a file instead of printing it.
    #[must_use]
    pub fn into_file(mut self, file: Option<PathBuf>) -> Self {
        self.file = file;
        self
    }

    /// Whether the result is printed as JSON.
    pub fn is_json(&self) -> bool {
        self.format != Format::Text
    }

    /// Whether the reader of stdout has gone away: there is no use in going on for it.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Writes lines and hands each on at once.
    fn write_lines(&self, lines: impl IntoIterator<Item = String>) {
        let mut out = std::io::stdout().lock();
        for line in lines {
            // A closed pipe is the reader's choice, not an error of ours.
            if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                self.closed.store(true, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Text in the colour of its meaning, or plain.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Dim => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// A remark on stderr.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// A warning on stderr; shown even when quiet.
    pub fn warn(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "warning: {text}");
    }

    /// Replaces the progress line, on a terminal only.
    pub fn progress(&self, text: &str) {
        self.with_bar(None, |bar| {
            bar.set_message(text.to_owned());
            bar.tick();
        });
    }

    /// Shows how much of the work is done as a bar, on a terminal only.
    pub fn progress_of(&self, done: u64, all: u64, text: &str) {
        self.with_bar(Some(all), |bar| {
            bar.set_length(all);
            bar.set_position(done);
            bar.set_message(text.to_owned());
        });
    }

    fn with_bar(&self, all: Option<u64>, show: impl FnOnce(&ProgressBar)) {
        if !self.progress {
            return;
        }
        let mut slot = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        show(slot.get_or_insert_with(|| {
            let (bar, template) = match all {
                Some(all) => (
                    ProgressBar::new(all),
                    "{bar:30} {pos}/{len} {msg} {per_sec} {eta}",
                ),
                None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
            };
            bar.set_draw_target(ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        }));
    }

    /// Removes the progress line.
    pub fn progress_done(&self) {
        let mut slot = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = slot.take() {
            bar.finish_and_clear();
        }
    }

    /// From now on each JSON object takes one line: the command goes on and prints several.
    pub fn stream(&self) {
        self.streams.store(true, Ordering::Relaxed);
    }

    /// Prints one report of a command that goes on: its text, or JSON on lines of its own.
    pub fn emit(&self, report: &Report) {
        self.progress_done();
        match self.format {
            Format::Jsonl => self.write_lines(report.to_lines().iter().map(Value::to_string)),
            Format::Json => self.write_lines([report.to_json().to_string()]),
            Format::Text if report.text.is_empty() => {}
            Format::Text => self.write_lines([report.text.trim_end().to_owned()]),
        }
    }

    /// Prints what a command produced and returns the exit code.
    pub fn print(&self, report: &Report) -> Exit {
        self.progress_done();
        if self.is_json() {
            let objects = match self.format {
                Format::Jsonl => report.to_lines(),
                _ => vec![report.to_json()],
            };
            if let Err(failure) = self.print_json(&objects) {
                self.print_failure_text(&failure);
                return failure.exit;
            }
        } else if !report.text.is_empty() {
            self.write_lines([report.text.trim_end().to_owned()]);
        }
        match &report.failure {
            None => Exit::Done,
            Some(failure) => {
                if !self.is_json() {
                    self.print_failure_text(failure);
                }
                failure.exit
            }
        }
    }

    /// Prints a failure without any result: JSON on stdout in JSON mode, text on stderr otherwise.
    pub fn print_failure(&self, failure: &Failure) -> Exit {
        self.progress_done();
        if self.is_json() {
            let value = json!({
                "schema": "ves.cli.error",
                "version": SCHEMA_VERSION,
                "error": failure_json(failure),
            });
            if let Err(unwritten) = self.print_json(&[value]) {
                self.print_failure_text(&unwritten);
            }
        } else {
            self.print_failure_text(failure);
        }
        failure.exit
    }

    fn print_json(&self, objects: &[Value]) -> Result<(), Failure> {
        let on_lines = self.format == Format::Jsonl || self.streams.load(Ordering::Relaxed);
        match &self.file {
            Some(path) => {
                let text: String = objects
                    .iter()
                    .map(|value| match self.format {
                        Format::Jsonl => format!("{value}\n"),
                        _ => format!("{value:#}\n"),
                    })
                    .collect();
                crate::home::write_private(path, text.as_bytes(), crate::home::Existing::Replace)
            }
            None => {
                self.write_lines(objects.iter().map(|value| match on_lines {
                    true => value.to_string(),
                    false => format!("{value:#}"),
                }));
                Ok(())
            }
        }
    }

    fn print_failure_text(&self, failure: &Failure) {
        let mut err = std::io::stderr();
        let _ = writeln!(err, "error: {failure}");
        if let Some(hint) = &failure.hint {
            let _ = writeln!(err, "hint: {hint}");
        }
    }
}

fn failure_json(failure: &Failure) -> Value {
    json!({ "code": failure.code, "message": failure.message, "hint": failure.hint })
}

/// The result of a command: fields for `--json`, text for people, and the failure that decides the
/// exit code when part of the work did not succeed.
#[derive(Clone, Debug)]
pub struct Report {
    schema: &'static str,
    fields: Map<String, Value>,
    text: String,
    /// Fields that are lists, each with the schema of its items.
    lists: Vec<(&'static str, &'static str)>,
    /// Reports that this one consists of, each under a field.
    parts: Vec<(&'static str, Self)>,
    /// Set when the report is complete but its content is bad news.
    pub failure: Option<Failure>,
    /// Nothing happened that anybody has to hear about.
    pub is_idle: bool,
}

impl Report {
    /// An empty report with its schema name, `ves.cli.<command>`.
    pub fn new(schema: &'static str) -> Self {
        Self {
            schema,
            fields: Map::new(),
            text: String::new(),
            lists: Vec::new(),
            parts: Vec::new(),
            failure: None,
            is_idle: false,
        }
    }

    /// Says whether nothing happened.
    #[must_use]
    pub const fn idle(mut self, idle: bool) -> Self {
        self.is_idle = idle;
        self
    }

    /// Sets a JSON field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// Names a field that is a list, and the schema of its items: on lines of their own each of them gets
    /// one.
    #[must_use]
    pub fn listing(mut self, name: &'static str, schema: &'static str) -> Self {
        self.lists.push((name, schema));
        self
    }

    /// Takes in another report under a field.
    #[must_use]
    pub fn part(mut self, name: &'static str, report: Self) -> Self {
        self = self.field(name, report.to_json());
        self.parts.push((name, report));
        self
    }

    /// A JSON field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// Marks the report as one of what would be done.
    #[must_use]
    pub fn dry(self) -> Self {
        self.field("dry_run", true)
            .line("dry run: nothing was changed")
    }

    /// [`Report::dry`] if this is a dry run.
    #[must_use]
    pub fn dry_if(self, dry_run: bool) -> Self {
        if dry_run { self.dry() } else { self }
    }

    /// Appends a line for people.
    #[must_use]
    pub fn line(mut self, text: impl AsRef<str>) -> Self {
        self.text.push_str(text.as_ref());
        self.text.push('\n');
        self
    }

    /// Appends a `name: value` line for people, aligned.
    #[must_use]
    pub fn pair(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.line(format!("{name:<16}{value}"))
    }

    /// States that the command did its work and the outcome is a failure.
    #[must_use]
    pub fn failing(mut self, failure: Option<Failure>) -> Self {
        self.failure = failure;
        self
    }

    /// The text for people.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same as several objects: those of the parts, each item of each list, and last what is left,
    /// with the error if there is one.
    pub fn to_lines(&self) -> Vec<Value> {
        let mut lines: Vec<Value> = self
            .parts
            .iter()
            .flat_map(|(_, part)| part.to_lines())
            .collect();
        let mut rest = self.clone();
        for (name, _) in &self.parts {
            rest.fields.remove(*name);
        }
        for (name, schema) in &self.lists {
            let Some(Value::Array(items)) = rest.fields.remove(*name) else {
                continue;
            };
            for item in items {
                let mut object = Map::new();
                object.insert("schema".into(), (*schema).into());
                object.insert("version".into(), SCHEMA_VERSION.into());
                match item {
                    // What an item says of itself does not stand in the place of what it is.
                    Value::Object(members) => {
                        for (name, member) in members {
                            object.entry(name).or_insert(member);
                        }
                    }
                    other => {
                        object.insert("value".into(), other);
                    }
                }
                lines.push(Value::Object(object));
            }
        }
        lines.push(rest.to_json());
        lines
    }

    /// The JSON object.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("schema".into(), self.schema.into());
        object.insert("version".into(), SCHEMA_VERSION.into());
        object.extend(self.fields.clone());
        if let Some(failure) = &self.failure {
            object.insert("error".into(), failure_json(failure));
        }
        Value::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_carries_schema_and_version_and_its_failure() {
        let report = Report::new("ves.cli.test")
            .field("n", 1)
            .failing(Some(Failure::usage("bad", "no good").hint("do better")));
        let value = report.to_json();
        assert_eq!(value["schema"], "ves.cli.test");
        assert_eq!(value["version"], 1);
        assert_eq!(value["n"], 1);
        assert_eq!(value["error"]["code"], "bad");
        assert_eq!(value["error"]["hint"], "do better");
    }

    #[test]
    fn on_lines_each_item_has_its_schema_and_what_is_left_comes_last_with_the_error() {
        let inner = Report::new("ves.cli.inner")
            .field("numbers", [1, 2])
            .listing("numbers", "ves.cli.inner.number");
        let report = Report::new("ves.cli.outer")
            .field("events", [json!({ "id": "a", "schema": "forged" })])
            .field("none", Vec::<u8>::new())
            .field("count", 1)
            .listing("events", "ves.cli.outer.event")
            .listing("none", "ves.cli.outer.none")
            .listing("absent", "ves.cli.outer.absent")
            .part("inner", inner)
            .failing(Some(Failure::usage("bad", "no good")));
        let lines = report.to_lines();
        let schemas: Vec<&str> = lines.iter().filter_map(|l| l["schema"].as_str()).collect();
        assert_eq!(
            schemas,
            [
                "ves.cli.inner.number",
                "ves.cli.inner.number",
                "ves.cli.inner",
                "ves.cli.outer.event",
                "ves.cli.outer"
            ]
        );
        assert!(lines.iter().all(|line| line["version"] == 1));
        assert_eq!(
            (&lines[1]["value"], &lines[3]["id"]),
            (&json!(2), &json!("a"))
        );
        let last = lines.last().unwrap();
        assert_eq!(
            (&last["count"], &last["error"]["code"]),
            (&json!(1), &json!("bad"))
        );
        assert!(last.get("events").is_none() && last.get("inner").is_none());
        // In one object all of it is there.
        let whole = report.to_json();
        assert_eq!(whole["events"][0]["id"], "a");
        assert_eq!(whole["inner"]["numbers"][1], 2);
    }
}
