// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Who may read payloads, as the configuration names them.

use serde::{Deserialize, Serialize};
use ves_primitives::{AgentId, GroupId};

/// Somebody who may read a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ReaderName {
    /// The agent that signs.
    Own,
    /// Another agent.
    Agent(AgentId),
    /// The members of a group.
    Group(GroupId),
}

impl TryFrom<String> for ReaderName {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let invalid = || format!("{text}: give self, agent:UUID or group:UUID");
        match text.split_once(':') {
            None if text == "self" => Ok(Self::Own),
            Some(("agent", id)) => id.parse().map(Self::Agent).map_err(|_| invalid()),
            Some(("group", id)) => id.parse().map(Self::Group).map_err(|_| invalid()),
            _ => Err(invalid()),
        }
    }
}

impl From<ReaderName> for String {
    fn from(name: ReaderName) -> Self {
        match name {
            ReaderName::Own => "self".into(),
            ReaderName::Agent(id) => format!("agent:{id}"),
            ReaderName::Group(id) => format!("group:{id}"),
        }
    }
}
