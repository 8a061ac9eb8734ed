// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `config …`

use super::Context;
use crate::{
    config::{ConfigFile, Origin},
    error::{Exit, Failure, Result},
    output::{Report, Tone},
};
use serde_json::{Map, Value, json};

/// Changes one setting of the project's `sync.json`.
pub(super) fn set(context: &Context, name: &str, value: &str) -> Result<Report> {
    let home = &context.config.home;
    let path = home.path().join("sync.json");
    if context.config.project_file.as_ref() != Some(&path) {
        return Err(Failure::new(
            Exit::NotConfigured,
            "not_configured",
            format!("{} is not there to be changed", path.display()),
        )
        .hint(
            "run `stateset-sync init`; a TOML file or one named with --config is edited by hand",
        ));
    }
    let _lock = match context.dry_run {
        true => None,
        false => Some(home.lock()?),
    };
    let file = ConfigFile::read(&path)?;
    // Where a profile is named for this command, it is what changes. It need not exist yet.
    let profile = context
        .config
        .profile()
        .filter(|chosen| matches!(chosen.origin, Origin::Flag | Origin::Env))
        .map(|chosen| chosen.value);
    let before = match &profile {
        None => file.clone(),
        Some(name) => file.profile_named(name).cloned().unwrap_or_default(),
    };
    let after = before.with(name, value)?;
    let name = name.replace('-', "_");
    let shown = |file: &ConfigFile| {
        serde_json::to_value(file)
            .ok()
            .and_then(|value| value.get(&name).cloned())
            .unwrap_or(Value::Null)
    };
    let (old, new) = (shown(&before), shown(&after));
    let report = Report::new("ves.cli.config.set")
        .field("name", &name)
        .field("profile", &profile)
        .field("before", &old)
        .field("after", &new)
        .line(format!("{name}: {old} -> {new}"));
    let whole = match &profile {
        None => after,
        Some(profile) => file.with_profile(profile, after)?,
    };
    if context.dry_run {
        return Ok(report.dry());
    }
    whole.write(home)?;
    Ok(report)
}

/// The files were read before any command began: getting here means that they are valid.
pub(super) fn validate(context: &Context) -> Result<Report> {
    context.config.require_initialised()?;
    let config = &context.config;
    let files: Vec<_> = [&config.project_file, &config.user_file]
        .into_iter()
        .flatten()
        .collect();
    for required in [
        config.tenant().map(drop),
        config.store().map(drop),
        config.agent().map(drop),
    ] {
        required?;
    }
    let report = files
        .iter()
        .fold(Report::new("ves.cli.config.validate"), |report, path| {
            report.line(format!("{} is valid", path.display()))
        });
    Ok(report.field("files", files))
}

pub(super) fn show(context: &Context) -> Result<Report> {
    let config = &context.config;
    let mut settings = Map::new();
    let mut report = Report::new("ves.cli.config")
        .field("home", config.home.path())
        .field("project_file", &config.project_file)
        .field("user_file", &config.user_file)
        .field("profiles", config.profile_names())
        .pair("home", config.home.path().display());
    for (name, value, origin) in config.describe() {
        let origin_text = origin.map_or_else(|| "not set".to_owned(), |o| o.to_string());
        report = report.pair(
            name,
            format!(
                "{}  {}",
                value.as_deref().unwrap_or("-"),
                context.ui.paint(Tone::Dim, &format!("({origin_text})"))
            ),
        );
        settings.insert(name.to_owned(), json!({ "value": value, "origin": origin }));
    }
    Ok(report.field("settings", settings))
}
