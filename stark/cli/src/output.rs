// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Results on stdout, everything else on stderr.

use crate::error::{Exit, Failure};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Write};

/// Version of every JSON report this tool prints.
const SCHEMA_VERSION: u32 = 1;

/// How this run talks to its user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    json: bool,
    progress: bool,
}

impl Ui {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            progress: !json && std::io::stderr().is_terminal(),
        }
    }

    /// Whether results are printed as JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// A remark on stderr; not in JSON mode.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            self.progress("");
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Replaces the progress line, on a terminal only.
    pub(crate) fn progress(&self, text: &str) {
        if self.progress {
            let mut err = std::io::stderr();
            let _ = write!(err, "\r\u{1b}[2K{text}");
            let _ = err.flush();
        }
    }

    /// Prints what a command produced.
    pub(crate) fn print(&self, report: &Report) -> Exit {
        self.progress("");
        let text = match (&report.payload, self.json) {
            (Some(payload), _) => payload.clone(),
            (None, true) => format!("{:#}", report.to_json()),
            (None, false) => report.text.trim_end().to_owned(),
        };
        if !text.is_empty() {
            // A closed pipe is the reader's choice, not an error of ours.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
        Exit::Done
    }

    /// Prints a failure: JSON on stdout in JSON mode, text on stderr otherwise.
    pub(crate) fn print_failure(&self, failure: &Failure) -> Exit {
        self.progress("");
        if self.json {
            let value = json!({
                "schema": "ves.stark.error",
                "version": SCHEMA_VERSION,
                "error": {
                    "code": failure.code,
                    "message": failure.message,
                    "hint": failure.hint,
                    "exit": failure.exit.code(),
                },
            });
            let _ = writeln!(std::io::stdout(), "{value:#}");
        } else {
            let mut err = std::io::stderr();
            let _ = writeln!(err, "error: {failure} ({})", failure.code);
            if let Some(hint) = &failure.hint {
                let _ = writeln!(err, "hint: {hint}");
            }
        }
        failure.exit
    }
}

/// The result of a command.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    schema: &'static str,
    fields: Map<String, Value>,
    text: String,
    /// Printed instead of the report, JSON or not: the artifact itself.
    payload: Option<String>,
}

impl Report {
    /// An empty report with its schema name, `ves.stark.<command>`.
    pub(crate) fn new(schema: &'static str) -> Self {
        Self {
            schema,
            fields: Map::new(),
            text: String::new(),
            payload: None,
        }
    }

    /// A report that is an artifact: an inputs file, a bundle, a proof.
    pub(crate) fn artifact(text: impl Into<String>) -> Self {
        let mut report = Self::new("");
        report.payload = Some(text.into().trim_end().to_owned());
        report
    }

    /// Sets a JSON member.
    #[must_use]
    pub(crate) fn field(mut self, name: &str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// Appends a line for people.
    #[must_use]
    pub(crate) fn line(mut self, text: impl AsRef<str>) -> Self {
        self.text.push_str(text.as_ref());
        self.text.push('\n');
        self
    }

    /// Appends a `name: value` line for people, aligned.
    #[must_use]
    pub(crate) fn pair(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.line(format!("{:<18}{value}", format!("{name}:")))
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("schema".into(), self.schema.into());
        object.insert("version".into(), SCHEMA_VERSION.into());
        object.extend(self.fields.clone());
        Value::Object(object)
    }
}
