// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What was claimed, what was typed, what was seen, and the verdict: as text and as JSON.

use serde_json::{Value, json};
use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    time::Duration,
};

/// Longest evidence in the final table.
const TABLE_EVIDENCE: usize = 72;

/// How to print.
pub(crate) struct Style {
    pub(crate) to_stderr: bool,
    pub(crate) color: bool,
    pub(crate) pause: Duration,
}

/// What was seen, in order, each value parsed from a program's output.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence(Vec<(&'static str, Value)>);

impl Evidence {
    /// Nothing seen yet.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a value.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    fn text(&self) -> String {
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name} {}", plain(value)))
            .collect();
        parts.join(" · ")
    }

    fn to_json(&self) -> Value {
        Value::Object(
            self.0
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.clone()))
                .collect(),
        )
    }
}

/// A value as people read it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "nothing".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A claim and how it came out.
struct Claim {
    chapter: &'static str,
    id: &'static str,
    text: &'static str,
    commands: Vec<String>,
    outcome: Result<Evidence, String>,
    seconds: f64,
}

#[derive(Clone, Copy)]
enum Tone {
    Good,
    Bad,
    Dim,
    Bold,
}

/// Prints claims as they are settled and keeps them for the table.
pub(crate) struct Reporter {
    style: Style,
    record: Option<File>,
    chapter: &'static str,
    claims: Vec<Claim>,
    stopped: Option<String>,
}

impl Reporter {
    /// Opens the transcript, if one is wanted.
    pub(crate) fn new(style: Style, record: Option<&Path>) -> io::Result<Self> {
        let record = record.map(File::create).transpose()?;
        Ok(Self {
            style,
            record,
            chapter: "",
            claims: Vec::new(),
            stopped: None,
        })
    }

    /// Whether every claim made so far holds and the scenario reached its end.
    pub(crate) fn all_hold(&self) -> bool {
        self.stopped.is_none()
            && !self.claims.is_empty()
            && self.claims.iter().all(|claim| claim.outcome.is_ok())
    }

    /// Begins a chapter.
    pub(crate) fn chapter(&mut self, title: &'static str) {
        self.chapter = title;
        self.line(&[]);
        self.line(&[(Tone::Bold, title)]);
    }

    /// Records and prints one claim.
    pub(crate) fn settle(
        &mut self,
        id: &'static str,
        text: &'static str,
        commands: Vec<String>,
        outcome: Result<Evidence, String>,
        took: Duration,
    ) {
        let number = format!("{:>2} ", self.claims.len().saturating_add(1));
        let (tone, word) = verdict(outcome.is_ok());
        let duration = format!("  {:.1} s", took.as_secs_f64());
        self.line(&[
            (tone, word),
            (Tone::Dim, &number),
            (Tone::Bold, text),
            (Tone::Dim, &duration),
        ]);
        for command in &commands {
            self.line(&[(Tone::Dim, "          $ "), (Tone::Dim, command)]);
        }
        match &outcome {
            Ok(evidence) => self.line(&[(tone, "          → "), (tone, &evidence.text())]),
            Err(why) => self.line(&[(tone, "          ✗ "), (tone, why)]),
        }
        self.claims.push(Claim {
            chapter: self.chapter,
            id,
            text,
            commands,
            outcome,
            seconds: took.as_secs_f64(),
        });
        if !self.style.pause.is_zero() {
            std::thread::sleep(self.style.pause);
        }
    }

    /// The scenario cannot go on; what would have followed is not claimed.
    pub(crate) fn stop(&mut self, why: String) {
        self.line(&[(Tone::Bad, "stopped: "), (Tone::Bad, &why)]);
        self.stopped = Some(why);
    }

    /// Prints the table and the result.
    pub(crate) fn finish(&mut self, took: Duration, interrupted: bool) {
        self.line(&[]);
        self.line(&[(Tone::Bold, "Claims")]);
        let rows: Vec<(bool, String)> = self
            .claims
            .iter()
            .enumerate()
            .map(|(index, claim)| {
                let seen = match &claim.outcome {
                    Ok(evidence) => evidence.text(),
                    Err(why) => why.clone(),
                };
                let number = index.saturating_add(1);
                let text = format!(
                    "{number:>2} {:<28} {}",
                    claim.id,
                    cut(&seen, TABLE_EVIDENCE)
                );
                (claim.outcome.is_ok(), text)
            })
            .collect();
        for (holds, row) in &rows {
            let (tone, word) = verdict(*holds);
            self.line(&[(tone, word), (Tone::Dim, row)]);
        }
        let failed = self.failed();
        let seconds = format!("{:.1} s", took.as_secs_f64());
        let total = self.claims.len();
        let text = if interrupted {
            format!("interrupted after {total} claims, {seconds}")
        } else if let Some(why) = &self.stopped {
            format!("stopped after {total} claims, {failed} failed, {seconds}: {why}")
        } else {
            format!(
                "{} of {total} claims hold, {seconds}",
                total.saturating_sub(failed)
            )
        };
        let tone = if self.all_hold() && !interrupted {
            Tone::Good
        } else {
            Tone::Bad
        };
        self.line(&[]);
        self.line(&[(tone, &text)]);
    }

    fn failed(&self) -> usize {
        self.claims
            .iter()
            .filter(|claim| claim.outcome.is_err())
            .count()
    }

    /// The one object of `--json`.
    pub(crate) fn to_json(&self, took: Duration, interrupted: bool) -> Value {
        let claims: Vec<Value> = self
            .claims
            .iter()
            .enumerate()
            .map(|(index, claim)| {
                json!({
                    "number": index.saturating_add(1),
                    "id": claim.id,
                    "chapter": claim.chapter,
                    "claim": claim.text,
                    "commands": claim.commands,
                    "verdict": if claim.outcome.is_ok() { "pass" } else { "fail" },
                    "evidence": claim.outcome.as_ref().ok().map(Evidence::to_json),
                    "reason": claim.outcome.as_ref().err(),
                    "seconds": claim.seconds,
                })
            })
            .collect();
        json!({
            "schema": "ves.demo",
            "version": 1,
            "ok": self.all_hold() && !interrupted,
            "interrupted": interrupted,
            "stopped": self.stopped,
            "passed": self.claims.len().saturating_sub(self.failed()),
            "failed": self.failed(),
            "seconds": took.as_secs_f64(),
            "claims": claims,
        })
    }

    fn line(&mut self, parts: &[(Tone, &str)]) {
        let plain: String = parts.iter().map(|(_, text)| *text).collect();
        let shown = if self.style.color {
            parts
                .iter()
                .map(|(tone, text)| paint(*tone, text))
                .collect()
        } else {
            plain.clone()
        };
        // A closed pipe is the reader's choice.
        if self.style.to_stderr {
            let _ = writeln!(io::stderr(), "{shown}");
        } else {
            let _ = writeln!(io::stdout(), "{shown}");
        }
        if let Some(record) = &mut self.record {
            let _ = writeln!(record, "{plain}");
        }
    }
}

const fn verdict(holds: bool) -> (Tone, &'static str) {
    if holds {
        (Tone::Good, "PASS  ")
    } else {
        (Tone::Bad, "FAIL  ")
    }
}

fn paint(tone: Tone, text: &str) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Dim => "2",
        Tone::Bold => "1",
    };
    if text.is_empty() {
        String::new()
    } else {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reporter() -> Reporter {
        let style = Style {
            to_stderr: true,
            color: false,
            pause: Duration::ZERO,
        };
        Reporter::new(style, None).unwrap()
    }

    #[test]
    fn nothing_claimed_is_not_success() {
        assert!(!reporter().all_hold());
    }

    #[test]
    fn one_failed_claim_or_an_early_end_is_a_failure() {
        let mut report = reporter();
        report.settle(
            "a",
            "a holds",
            vec![],
            Ok(Evidence::new().with("n", 1)),
            Duration::ZERO,
        );
        assert!(report.all_hold());
        let mut stopped = reporter();
        stopped.settle("a", "a holds", vec![], Ok(Evidence::new()), Duration::ZERO);
        stopped.stop("no more".into());
        assert!(!stopped.all_hold());
        report.settle(
            "b",
            "b holds",
            vec![],
            Err("it does not".into()),
            Duration::ZERO,
        );
        let json = report.to_json(Duration::ZERO, false);
        assert_eq!(json["ok"], false);
        assert_eq!(json["passed"], 1);
        assert_eq!(json["claims"][0]["evidence"]["n"], 1);
        assert_eq!(json["claims"][1]["reason"], "it does not");
    }

    #[test]
    fn long_evidence_is_cut_by_characters() {
        assert_eq!(cut("ä·ö", 3), "ä·ö");
        assert_eq!(cut("ä·öü", 3), "ä·…");
    }
}
