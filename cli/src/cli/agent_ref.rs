// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! An agent on a command line: in full, or by the beginning of an id that this machine knows.

use super::beginning::{MIN_DIGITS, beginning_of, begins};
use crate::error::{Failure, Result};
use std::str::FromStr;
use ves_primitives::AgentId;

/// An agent as somebody typed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentRef {
    /// The whole id.
    Full(AgentId),
    /// The first hex digits of it.
    Begins(String),
}

impl FromStr for AgentRef {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Full(id));
        }
        if let Some(digits) = beginning_of(text) {
            return Ok(Self::Begins(digits));
        }
        Err(format!(
            "an agent is a UUID, or at least {MIN_DIGITS} digits that begin the id of a known one"
        ))
    }
}

impl AgentRef {
    /// The one of these agents that is meant.
    ///
    /// # Errors
    /// `agent_unknown` or `agent_ambiguous`.
    pub fn among(&self, known: &[AgentId]) -> Result<AgentId> {
        let digits = match self {
            Self::Full(id) => return Ok(*id),
            Self::Begins(digits) => digits,
        };
        let fits = |id: &&AgentId| begins(id.0, digits);
        let mut found: Vec<&AgentId> = known.iter().filter(fits).collect();
        found.sort_unstable();
        found.dedup();
        match found.as_slice() {
            [id] => Ok(**id),
            [] => Err(Failure::usage(
                "agent_unknown",
                format!("no agent that this machine knows has an id that begins with {digits}"),
            )
            .hint("give the whole id: agents are known by their events and keys here")),
            [first, second, ..] => Err(Failure::usage(
                "agent_ambiguous",
                format!("several agents begin with {digits}: {first}, {second}"),
            )
            .hint("give more digits")),
        }
    }

    /// The agent, once it is looked up.
    ///
    /// # Errors
    /// `agent_unknown` if nobody looked.
    pub fn id(&self) -> Result<AgentId> {
        self.among(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_named_in_full_or_by_an_unambiguous_beginning() {
        let (one, other) = (AgentId([0x11; 16]), AgentId([0x12; 16]));
        let named = |text: &str| text.parse::<AgentRef>().unwrap().among(&[one, other, one]);
        assert_eq!(named("1111").unwrap(), one);
        assert_eq!(named("12121212-12").unwrap(), other);
        let stranger = "33333333-3333-4333-8333-333333333333";
        assert_eq!(named(stranger).unwrap().to_string(), stranger);
        assert_eq!(named("3333").unwrap_err().code, "agent_unknown");
        let near = AgentId([&[0x11; 15][..], &[0x12]].concat().try_into().unwrap());
        let ambiguous = AgentRef::Begins("1111".into()).among(&[one, near]);
        assert_eq!(ambiguous.unwrap_err().code, "agent_ambiguous");
    }

    #[test]
    fn what_is_no_beginning_of_an_id_is_refused() {
        for text in ["", "111", "xyzw", "-111", "order", "1111 2222"] {
            assert!(text.parse::<AgentRef>().is_err(), "{text}");
        }
    }
}
