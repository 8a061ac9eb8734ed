// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A person's word before something becomes public, where the client can ask one.
//!
//! Clients up to protocol 2025-11-25 are asked by a request of ours while the call waits. From
//! 2026-07-28 on servers make no requests: the call ends with a question, and the client repeats it
//! with the answer and a sealed note of what was asked.

use super::{access::Confirm, host::Host};
use crate::error::{Exit, Failure, Result};
use rmcp::{
    RoleServer,
    model::{
        ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema,
        InputRequest, InputRequests, InputRequiredResult, InputResponses, ProtocolVersion,
        SealOptions,
    },
    service::RequestContext,
};

/// Name of the question, and of the answer's one field.
const CONFIRM: &str = "confirm";

/// What came with a call besides its arguments.
pub(super) struct Asking<'a> {
    pub(super) context: &'a RequestContext<RoleServer>,
    /// Answers to questions of an earlier round.
    pub(super) answers: Option<InputResponses>,
    /// The note that came with the questions.
    pub(super) note: Option<String>,
}

/// What a person said.
pub(super) enum Consent {
    /// Yes, or nobody had to be asked.
    Given,
    /// Not asked yet: the client must.
    Ask(Box<InputRequiredResult>),
}

fn refused(why: &str) -> Failure {
    Failure::new(Exit::Refused, "not_confirmed", why)
}

impl Asking<'_> {
    fn can_ask(&self) -> bool {
        self.context
            .client_capabilities()
            .and_then(|capabilities| capabilities.elicitation)
            // A client that names no mode has forms.
            .is_some_and(|modes| modes.form.is_some() || modes.url.is_none())
    }

    fn is_stateless(&self) -> bool {
        self.context
            .protocol_version()
            .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
    }
}

/// Asks, or reads the answer. The question belongs to one tool and one token.
pub(super) async fn consent(
    host: &Host,
    asking: &Asking<'_>,
    (tool, token): (&str, &str),
    question: String,
) -> Result<Consent> {
    match (host.args.confirm, asking.can_ask()) {
        (Confirm::Never, _) | (Confirm::Auto, false) => return Ok(Consent::Given),
        (Confirm::Always, false) => {
            return Err(
                refused("a person must confirm this, and the client cannot ask one")
                    .hint("use a client with elicitation, or ask the operator for --confirm auto"),
            );
        }
        (Confirm::Auto | Confirm::Always, true) => {}
    }
    let bound = format!("{tool}\0{token}");
    if let Some(answers) = &asking.answers {
        let note = asking.note.as_deref().unwrap_or_default();
        host.codec
            .open_with(note, bound.as_bytes())
            .map_err(|error| refused(&format!("the answer is to another question: {error}")))?;
        let answer = answers
            .get(CONFIRM)
            .and_then(|answer| serde_json::from_value(answer.clone()).ok());
        return judge(answer);
    }
    let form = form(question)?;
    if asking.is_stateless() {
        let life = std::time::Duration::from_secs(host.args.token_seconds.into());
        let options = SealOptions::new()
            .associated_data(bound.as_bytes())
            .ttl(life);
        let note = host.codec.seal_with(CONFIRM.as_bytes(), &options);
        let request = InputRequest::Elicitation(ElicitRequest::new(form));
        let requests = InputRequests::from([(CONFIRM.to_owned(), request)]);
        let ask = InputRequiredResult::new(Some(requests), Some(note));
        return Ok(Consent::Ask(Box::new(ask)));
    }
    let life = std::time::Duration::from_secs(host.args.token_seconds.into());
    let peer = &asking.context.peer;
    match peer.create_elicitation_with_timeout(form, Some(life)).await {
        Ok(answer) => judge(Some(answer)),
        Err(error) => Err(refused(&format!("the client did not ask: {error}"))),
    }
}

fn judge(answer: Option<ElicitResult>) -> Result<Consent> {
    let hint = "nothing was done; ask what should be different";
    match answer {
        Some(answer) if answer.action == ElicitationAction::Accept => {
            let yes = answer
                .content
                .as_ref()
                .and_then(|content| content[CONFIRM].as_bool());
            match yes {
                Some(true) => Ok(Consent::Given),
                _ => Err(refused("the person did not tick the box").hint(hint)),
            }
        }
        Some(_) => Err(refused("the person said no").hint(hint)),
        None => Err(refused("the answer cannot be read").hint(hint)),
    }
}

fn form(message: String) -> Result<ElicitRequestParams> {
    let requested_schema = ElicitationSchema::builder()
        .required_bool(CONFIRM)
        .build()
        .map_err(|error| Failure::unexpected(error.to_string()))?;
    Ok(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message,
        requested_schema,
    })
}
