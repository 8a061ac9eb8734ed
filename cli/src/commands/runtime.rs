// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which runtime is signed for: looked at before each signature that leaves this machine.

use super::Context;
use crate::{
    chain::{ChainError, live::Live},
    config::{Change, ConfigFile, RuntimePin},
    error::{Exit, Failure, Result},
    output::Report,
};

async fn running(live: &Live) -> Result<RuntimePin> {
    let version = live
        .client()
        .runtime_version(None)
        .await
        .map_err(ChainError::from)?;
    Ok(RuntimePin {
        name: version.spec_name,
        spec: version.spec_version,
        transaction: version.transaction_version,
    })
}

/// Refuses a runtime that nobody accepted; says whether the project is to remember another one.
fn judge(known: Option<&RuntimePin>, found: &RuntimePin) -> Result<bool> {
    let Some(known) = known else {
        return Ok(true);
    };
    let why = match known.change(found) {
        Change::None => return Ok(false),
        Change::Compatible => return Ok(true),
        Change::Form => "transactions have another form there",
        Change::Older => "that is an earlier one",
    };
    Err(Failure::new(
        Exit::Refused,
        "runtime_changed",
        format!("the node runs {found}, this project signed for {known}: {why}"),
    )
    .hint(
        "nothing was signed; make sure that the chain was upgraded, update stateset-sync, then \
         `stateset-sync config accept-runtime`",
    ))
}

impl Context {
    /// Connects in order to sign: to the project's chain, with a runtime that it knows or that follows.
    pub(crate) async fn connect_to_sign(&self) -> Result<Live> {
        let live = self.connect().await?;
        self.check_runtime(&live).await?;
        Ok(live)
    }

    /// Refuses to sign for a runtime that takes transactions of another form than the one before.
    ///
    /// # Errors
    /// `runtime_changed`, or the node's silence.
    pub(crate) async fn check_runtime(&self, live: &Live) -> Result<()> {
        let found = running(live).await?;
        let known = self.config.get(|c| &c.runtime).map(|setting| setting.value);
        if judge(known.as_ref(), &found)? && !self.dry_run {
            if let Some(known) = known {
                self.ui.note(&format!(
                    "the chain's runtime is {found} now, {known} before; transactions keep their form"
                ));
            }
            self.remember_runtime(&found)?;
        }
        Ok(())
    }

    fn remember_runtime(&self, found: &RuntimePin) -> Result<bool> {
        self.bind_settings(|settings| {
            Ok(ConfigFile {
                runtime: Some(found.clone()),
                ..settings
            })
        })
    }
}

/// Whether this program would sign now.
///
/// # Errors
/// As [`Context::check_runtime`].
pub(super) async fn look(context: &Context, live: &Live) -> Result<RuntimePin> {
    let found = running(live).await?;
    let known = context
        .config
        .get(|c| &c.runtime)
        .map(|setting| setting.value);
    judge(known.as_ref(), &found).map(|_| found)
}

/// `config accept-runtime`
pub(super) async fn accept(context: &Context) -> Result<Report> {
    let live = context.connect().await?;
    let found = running(&live).await?;
    let before = context
        .config
        .get(|c| &c.runtime)
        .map(|setting| setting.value);
    let shown = before
        .as_ref()
        .map_or_else(|| "none".to_owned(), ToString::to_string);
    let report = Report::new("ves.cli.config.accept-runtime")
        .field("before", &before)
        .field("after", &found)
        .line(format!("runtime: {shown} -> {found}"));
    if context.dry_run {
        return Ok(report.dry());
    }
    if !context.remember_runtime(&found)? {
        return Err(Failure::new(
            Exit::NotConfigured,
            "not_configured",
            "the project's configuration is not this program's to change",
        )
        .hint(format!("write runtime = \"{found}\" into it by hand")));
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_signed_for_a_runtime_with_another_form_of_transactions() {
        let pin = |text: &str| text.parse::<RuntimePin>().unwrap();
        let known = pin("ves/103/1");
        assert!(judge(None, &known).unwrap(), "the first is taken on sight");
        assert!(!judge(Some(&known), &known).unwrap());
        assert!(judge(Some(&known), &pin("ves/104/1")).unwrap());
        for found in ["ves/104/2", "other/104/1", "ves/102/1"] {
            let failure = judge(Some(&known), &pin(found)).unwrap_err();
            assert_eq!(
                (failure.code, failure.exit),
                ("runtime_changed", Exit::Refused)
            );
            assert!(failure.hint.unwrap().contains("config accept-runtime"));
        }
    }
}
