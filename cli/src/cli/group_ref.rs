// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A group on a command line: in full, or by the beginning of the id of one of the tenant's groups.

use super::beginning::{MIN_DIGITS, beginning_of, begins};
use std::str::FromStr;
use ves_primitives::GroupId;

/// A group as somebody typed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRef {
    /// The whole id.
    Full(GroupId),
    /// The first hex digits of it.
    Begins(String),
}

impl FromStr for GroupRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Full(id));
        }
        if let Some(digits) = beginning_of(text) {
            return Ok(Self::Begins(digits));
        }
        Err(format!(
            "a group is a UUID, or at least {MIN_DIGITS} digits that begin the id of one of the \
             tenant's groups"
        ))
    }
}

impl GroupRef {
    /// The group, if it is named in full or was looked up.
    pub const fn id(&self) -> Option<GroupId> {
        match self {
            Self::Full(id) => Some(*id),
            Self::Begins(_) => None,
        }
    }

    /// Whether this may be the group.
    pub fn fits(&self, group: GroupId) -> bool {
        match self {
            Self::Full(id) => *id == group,
            Self::Begins(digits) => begins(group.0, digits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_in_full_or_by_a_beginning() {
        let group = GroupId([0x5a; 16]);
        for text in ["5a5a", "5A5A5a5a-5a", &group.to_string()] {
            let named: GroupRef = text.parse().unwrap();
            assert!(named.fits(group), "{text}");
            assert!(!named.fits(GroupId([0x5b; 16])), "{text}");
            assert_eq!(named.id().is_some(), text.len() == 36, "{text}");
        }
    }

    #[test]
    fn what_is_no_beginning_of_an_id_is_refused() {
        for text in ["", "5a5", "xyzw", "-5a5a", "order", "5a5a 5a5a"] {
            assert!(text.parse::<GroupRef>().is_err(), "{text}");
        }
    }
}
