// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Ids and names for the completion scripts. The grammar says what the last word of a command line stands
//! for; the local database says what there is. Nobody is asked for a passphrase, nor the node for anything.

use super::Context;
use crate::{
    cli::{Cli, Global, split_colon_names},
    error::Result,
    inbox, output,
    output::{Format, Report, Ui},
};
use clap::{Arg, Command, CommandFactory};
use std::path::PathBuf;

/// Most candidates that a shell gets.
const MOST: u32 = 200;

/// What a word stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Event,
    Bundle,
    Agent,
    Profile,
}

impl Kind {
    fn of(arg: &Arg) -> Option<Self> {
        let name = arg.get_value_names().and_then(<[_]>::first)?;
        match (name.as_str(), arg.get_id().as_str()) {
            ("EVENT_ID", _) => Some(Self::Event),
            ("BUNDLE_ID", _) => Some(Self::Bundle),
            (_, "profile") => Some(Self::Profile),
            (_, "agent" | "agents" | "author" | "member" | "encrypt_to") => Some(Self::Agent),
            _ => None,
        }
    }
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn flag<'c>(command: &'c Command, word: &str) -> Option<&'c Arg> {
    let long = word.strip_prefix("--");
    let short = word.strip_prefix('-').and_then(|rest| {
        let mut chars = rest.chars();
        chars.next().filter(|_| chars.next().is_none())
    });
    command
        .get_arguments()
        .find(|arg| match (arg.get_long(), arg.get_short()) {
            (Some(name), _) if Some(name) == long => true,
            (_, Some(letter)) => Some(letter) == short,
            _ => false,
        })
}

/// What the last of these words stands for, and that word.
fn sought(words: &[String]) -> Option<(Kind, &str)> {
    let (current, before) = words.split_last()?;
    let mut root = Cli::command();
    root.build();
    let mut command = &root;
    let (mut expected, mut positionals) = (None, 0usize);
    for word in before {
        if expected.take().is_some() {
            continue;
        }
        if word.starts_with('-') {
            expected = flag(command, word).filter(|arg| takes_value(arg) && !word.contains('='));
        } else if let Some(below) = command.find_subcommand(word).filter(|_| positionals == 0) {
            command = below;
        } else {
            positionals = positionals.saturating_add(1);
        }
    }
    let arg = match expected {
        Some(arg) => arg,
        None if current.starts_with('-') => return None,
        None => {
            let mut all = command.get_positionals();
            let last = command.get_positionals().last();
            all.nth(positionals).or_else(|| {
                last.filter(|arg| arg.get_num_args().is_some_and(|n| n.max_values() > 1))
            })?
        }
    };
    Kind::of(arg).map(|kind| (kind, current.as_str()))
}

/// Candidates for the last word, one a line. What goes wrong is nobody's business at a prompt.
pub(super) async fn ids(global: &Global, words: &[String]) -> Report {
    // A shell may split `keys:rotate` at its colon.
    let words: Vec<String> = words.iter().filter(|word| *word != ":").cloned().collect();
    let named: Vec<String> = std::iter::once("stateset-sync".to_owned())
        .chain(words)
        .collect();
    let words: Vec<String> = split_colon_names(named).into_iter().skip(1).collect();
    let found = match sought(&words) {
        Some((kind, beginning)) => candidates(global, &words, kind, beginning)
            .await
            .unwrap_or_default(),
        None => Vec::new(),
    };
    let report = found
        .iter()
        .fold(Report::new("ves.cli.complete-ids"), |report, id| {
            report.line(id)
        });
    report.field("candidates", &found)
}

/// The value of a flag of every command among the words.
fn value_of(words: &[String], name: &str) -> Option<String> {
    let at = words.iter().position(|word| word == name)?;
    words.get(at.saturating_add(1)).cloned()
}

async fn candidates(
    global: &Global,
    words: &[String],
    kind: Kind,
    beginning: &str,
) -> Result<Vec<String>> {
    let mut global = global.clone();
    global.home = value_of(words, "--home").map(PathBuf::from).or(global.home);
    global.config = value_of(words, "--config")
        .map(PathBuf::from)
        .or(global.config);
    let ui = Ui::new(Format::Text, true, output::ColorChoice::Never);
    let context = Context::new(&global, ui)?;
    // Of a list, only what follows its last comma is incomplete.
    let (done, begun) = match beginning.rsplit_once(',') {
        Some((done, begun)) => (format!("{done},"), begun),
        None => (String::new(), beginning),
    };
    let all: Vec<String> = match kind {
        Kind::Profile => {
            let names = context.config.profile_names();
            names.into_iter().map(str::to_owned).collect()
        }
        Kind::Event => {
            let digits: String = begun.chars().filter(|c| *c != '-').collect();
            let pool = context.pool().await?;
            let ids = inbox::ids_with_prefix(&pool, &digits.to_lowercase(), MOST).await?;
            ids.iter().map(ToString::to_string).collect()
        }
        Kind::Bundle => {
            let pool = context.pool().await?;
            let bundles = inbox::bundles(&pool).await?;
            let ids = bundles
                .iter()
                .map(|(_, bundle)| bundle.event.event.event_id);
            ids.map(|id| id.to_string()).collect()
        }
        Kind::Agent => {
            let pool = context.pool().await?;
            let agents = inbox::known_agents(&pool).await?;
            agents.iter().map(ToString::to_string).collect()
        }
    };
    Ok(all
        .into_iter()
        .filter(|id| id.starts_with(begun))
        .map(|id| format!("{done}{id}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_says_what_a_word_stands_for() {
        let sought_in = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            sought(&words).map(|(kind, _)| kind)
        };
        for (line, kind) in [
            ("show ", Some(Kind::Event)),
            ("show 0192", Some(Kind::Event)),
            ("verify --agent-key 0x00 01", Some(Kind::Event)),
            ("retry 0192 0193", Some(Kind::Event)),
            ("bundles show ", Some(Kind::Bundle)),
            ("prove --batch-of 01", Some(Kind::Event)),
            ("push --profile l", Some(Kind::Profile)),
            ("--home x show ", Some(Kind::Event)),
            ("append --encrypt-to 33", Some(Kind::Agent)),
            ("show 0192 x", None),
            ("show --js", None),
            ("append --payload x", None),
            ("keys generate ", None),
            ("sho", None),
            ("", None),
        ] {
            assert_eq!(sought_in(line), kind, "{line:?}");
        }
    }
}
