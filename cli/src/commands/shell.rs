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
    let script = with_ids(shell, text(script)?);
    Ok(Report::new("ves.cli.completions")
        .field("shell", shell.to_string())
        .field("script", &script)
        .line(script))
}

/// The generated script knows commands and flags; ids are asked of the program itself.
fn with_ids(shell: Shell, script: String) -> String {
    match shell {
        Shell::Bash => {
            // clap_complete splits a program's name at its hyphen in half of its labels (4.6.11), and then
            // finds no command's flags.
            let script = script.replace("stateset__subcmd__sync", "stateset__sync");
            // The first line names the generated function.
            let name = script.split("()").next().unwrap_or_default().trim();
            let ids = BASH_IDS.replace("GENERATED", name);
            format!("{script}\n{ids}")
        }
        Shell::Fish => format!("{script}\n{FISH_IDS}"),
        Shell::Zsh => {
            // Each positional of this kind asks the function instead of offering files.
            let lines: Vec<String> = script
                .lines()
                .map(
                    |line| match line.contains("_id -- ") || line.contains("_ids -- ") {
                        true => line.replace(":_default'", ":_stateset_sync_ids'"),
                        false => line.to_owned(),
                    },
                )
                .collect();
            let (first, rest) = lines.split_first().map_or(("", &[][..]), |(f, r)| (f, r));
            format!("{first}\n{ZSH_IDS}\n{}\n", rest.join("\n"))
        }
        _ => script,
    }
}

const BASH_IDS: &str = r#"_stateset_sync_ids() {
    GENERATED "$@"
    local found
    found="$("${COMP_WORDS[0]}" complete-ids -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)"
    [ -z "$found" ] || mapfile -t COMPREPLY <<<"$found"
}
complete -F _stateset_sync_ids -o bashdefault -o default stateset-sync
"#;

const FISH_IDS: &str = "complete -c stateset-sync -f -a \
    '(stateset-sync complete-ids -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
";

const ZSH_IDS: &str = r#"
(( $+functions[_stateset_sync_ids] )) || _stateset_sync_ids() {
    local -a typed found
    typed=(${(z)LBUFFER})
    [[ $LBUFFER == *[[:space:]] ]] && typed+=('')
    found=(${(f)"$(${typed[1]} complete-ids -- "${(@)typed[2,-1]}" 2>/dev/null)"})
    (( $#found )) && compadd -a found
}
"#;

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
    Ok(report.field("files", files).dry_if(dry_run))
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
