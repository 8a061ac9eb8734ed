// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `config show`

use super::Context;
use crate::{
    error::Result,
    output::{Report, Tone},
};
use serde_json::{Map, json};

pub(super) fn show(context: &Context) -> Result<Report> {
    let config = &context.config;
    let mut settings = Map::new();
    let mut report = Report::new("ves.cli.config")
        .field("home", config.home.path())
        .field("project_file", &config.project_file)
        .field("user_file", &config.user_file)
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
