// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Tools that show what is here and what is on the chain.

use super::{Call, Nature, Outcome, Tool, foreign, takes, words};
use crate::{
    capture::{Audience, Draft},
    commands::served,
    error::Result,
    inbox::Wanted,
    mcp::{access::Mode, input, schema},
};
use serde_json::Value;
use ves_primitives::{AgentId, StoreId, TenantId};

const READS: Tool = Tool {
    name: "",
    title: "",
    description: "",
    needs: Mode::Read,
    decrypts: false,
    nature: Nature::LOCAL,
    input: takes::<input::Nothing>,
    output: schema::anything,
    run: |_| Box::pin(async { Err(crate::error::Failure::unexpected("no tool")) }),
};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "ves_status",
        title: "Status",
        description: "Where this agent stands: health with reasons, counts of the outbox, verified \
                      and quarantined events, distance to the stream's head, the node. Call it \
                      first, and after anything went wrong.",
        nature: Nature::ASKS,
        input: takes::<input::Status>,
        output: schema::status,
        run: |call| Box::pin(status(call)),
        ..READS
    },
    Tool {
        name: "ves_doctor",
        title: "Diagnosis",
        description: "Looks for what is wrong on this machine, with the keys and between this \
                      project and its chain. Returns each check with its grade, its evidence and \
                      what to do. Call it when ves_status is not healthy.",
        nature: Nature::ASKS,
        input: takes::<input::Status>,
        output: schema::diagnosis,
        run: |call| Box::pin(doctor(call)),
        ..READS
    },
    Tool {
        name: "ves_config_show",
        title: "Configuration",
        description: "Every setting with its value and where it comes from (flag, environment, \
                      file, default). Secrets are hidden.",
        output: schema::config,
        run: |call| Box::pin(config(call)),
        ..READS
    },
    Tool {
        name: "ves_keys_list",
        title: "Keys",
        description: "This agent's keys on this machine: purpose, number, public half, when \
                      registered or revoked. Private keys are never shown.",
        output: schema::keys,
        run: |call| Box::pin(keys(call)),
        ..READS
    },
    Tool {
        name: "ves_groups_list",
        title: "Encryption groups",
        description: "The tenant's encryption groups on the chain; with group_id one group with \
                      its members and the keys that events are encrypted to.",
        nature: Nature::ASKS,
        input: takes::<input::Groups>,
        output: schema::groups,
        run: |call| Box::pin(groups(call)),
        ..READS
    },
    Tool {
        name: "ves_event_types",
        title: "Event types",
        description: "The event types that are described here, and what happens to events of others \
                      (accept, park or refuse); with event_type the JSON Schema that payloads of \
                      that type must fit. Call it before capturing an event.",
        input: takes::<input::EventTypes>,
        output: schema::event_types,
        run: |call| Box::pin(event_types(call)),
        ..READS
    },
    Tool {
        name: "ves_outbox_list",
        title: "Outbox",
        description: "Events captured by this agent, newest first, with their state on the way to \
                      the chain and the reason if one was rejected. Pages backwards with before.",
        input: takes::<input::Outbox>,
        output: schema::outbox,
        run: |call| Box::pin(outbox(call)),
        ..READS
    },
    Tool {
        name: "ves_inbox_list",
        title: "Verified events",
        description: "Events of the stream that were pulled and verified, newest first, of all \
                      agents or as filtered, and what was quarantined and why. Pages backwards \
                      with before. Payloads: ves_event_get.",
        input: takes::<input::Inbox>,
        output: schema::inbox,
        run: |call| Box::pin(inbox(call)),
        ..READS
    },
    Tool {
        name: "ves_event_get",
        title: "One event",
        description: "One event of this machine: the verified record as the chain has it, its \
                      state in the outbox, and its payload if that is public. Encrypted payloads: \
                      ves_payload_decrypt.",
        input: takes::<input::Event>,
        output: schema::event,
        run: |call| Box::pin(event(call)),
        ..READS
    },
    Tool {
        name: "ves_payload_decrypt",
        title: "Decrypt a payload",
        description: "The clear payload of an event that is encrypted to this agent. Allowed for \
                      the entity types that the operator names, and audited.",
        decrypts: true,
        input: takes::<input::Event>,
        output: schema::decrypted,
        run: |call| Box::pin(decrypt(call)),
        ..READS
    },
    Tool {
        name: "ves_event_prepare",
        title: "Check an event",
        description: "Checks an event without capturing it: its canonical payload, its hash and \
                      its envelope as they would be, or what is wrong with it.",
        input: takes::<input::Prepare>,
        output: schema::prepared,
        run: |call| Box::pin(prepare(call)),
        ..READS
    },
];

async fn status(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Status = call.input()?;
    let mut words = words(["status"]);
    if input.offline {
        words.push("--offline".into());
    }
    Ok(served::command(&call.context, words).await?.into())
}

async fn doctor(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Status = call.input()?;
    let mut words = words(["doctor"]);
    if input.offline {
        words.push("--offline".into());
    }
    Ok(served::command(&call.context, words).await?.into())
}

async fn config(mut call: Call<'_>) -> Result<Outcome> {
    call.input::<input::Nothing>()?;
    let words = words(["config", "show"]);
    Ok(served::command(&call.context, words).await?.into())
}

async fn keys(mut call: Call<'_>) -> Result<Outcome> {
    call.input::<input::Nothing>()?;
    let words = words(["keys", "list"]);
    Ok(served::command(&call.context, words).await?.into())
}

async fn groups(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Groups = call.input()?;
    let words = match input.group_id {
        None => words(["groups", "list"]),
        Some(group) => words(["groups", "show", &group.to_string()]),
    };
    Ok(served::command(&call.context, words).await?.into())
}

async fn event_types(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::EventTypes = call.input()?;
    let words = match input.event_type {
        None => words(["types", "list"]),
        Some(name) => words(["types", "show", &name.0]),
    };
    Ok(served::command(&call.context, words).await?.into())
}

async fn outbox(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Outbox = call.input()?;
    let state = input.state.map(Into::into);
    let report = served::outbox(&call.context, state, input.before, input.limit.0).await?;
    Ok(report.into())
}

async fn inbox(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Inbox = call.input()?;
    let wanted = Wanted {
        entity_type: input.entity_type,
        entity_id: input.entity_id,
        event_type: input.event_type,
        before: input.before,
    };
    let report = served::inbox(&call.context, &wanted, input.limit.0).await?;
    Ok(foreign(report, true).into())
}

async fn event(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Event = call.input()?;
    // Decrypting has a tool and an audit entry of its own.
    call.context.forbid_decryption();
    let report = served::command(&call.context, words(["show", &input.event_id.0])).await?;
    let verified = report.get("verified").and_then(Value::as_bool) == Some(true);
    Ok(foreign(report, verified).into())
}

async fn decrypt(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Event = call.input()?;
    let report = served::command(&call.context, words(["decrypt", &input.event_id.0])).await?;
    Ok(foreign(report, false).into())
}

async fn prepare(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Prepare = call.input()?;
    let draft = Draft {
        // Of the configuration.
        tenant_id: TenantId([0; 16]),
        store_id: StoreId([0; 16]),
        agent_id: AgentId([0; 16]),
        event_id: None,
        entity_type: input.entity_type,
        entity_id: input.entity_id,
        event_type: input.event_type,
        created_at: None,
        payload: Value::Object(input.payload).to_string(),
        command_id: None,
        base_version: input.base_version,
        audience: Audience::Public,
    };
    Ok(served::preview(&call.context, draft)?.into())
}
