// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `completions` and `man`, both generated from the parser.

use crate::{
    cli::Cli,
    error::{Failure, Result},
    output::Report,
};
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::{Path, PathBuf};

const NAME: &str = "stateset-sync";

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(Failure::unexpected)
}

pub(super) fn completions(shell: Shell) -> Result<Report> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    let script = text(script)?;
    Ok(Report::new("ves.cli.completions")
        .field("shell", shell.to_string())
        .field("script", &script)
        .line(script))
}

pub(super) fn man(out: Option<&Path>, dry_run: bool) -> Result<Report> {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = out else {
        let page = page(command)?;
        return Ok(Report::new("ves.cli.man").field("page", &page).line(page));
    };
    let mut pages = Vec::new();
    collect(&command, NAME, &mut pages)?;
    let mut report = Report::new("ves.cli.man");
    let mut files: Vec<PathBuf> = Vec::new();
    for (name, page) in pages {
        let path = dir.join(format!("{name}.1"));
        if !dry_run {
            std::fs::create_dir_all(dir)
                .and_then(|()| std::fs::write(&path, page))
                .map_err(|e| Failure::io("write", &path, &e))?;
        }
        report = report.line(path.display().to_string());
        files.push(path);
    }
    let report = report.field("files", files);
    Ok(if dry_run { report.dry() } else { report })
}

fn page(command: clap::Command) -> Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(Failure::unexpected)?;
    text(page)
}

/// The page of a command and those of the commands below it, as `stateset-sync-keys-rotate`.
fn collect(command: &clap::Command, name: &str, pages: &mut Vec<(String, String)>) -> Result<()> {
    pages.push((name.to_owned(), page(command.clone())?));
    for below in command.get_subcommands() {
        if below.get_name() != "help" && !below.is_hide_set() {
            collect(below, &format!("{name}-{}", below.get_name()), pages)?;
        }
    }
    Ok(())
}
