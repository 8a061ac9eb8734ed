// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The runtime that a project has signed for last, and what may follow it.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A runtime: name, version, and version of the form of transactions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuntimePin {
    /// Name of the runtime.
    pub name: String,
    /// Rises with every upgrade.
    pub spec: u32,
    /// Rises when transactions change their form.
    pub transaction: u32,
}

/// What a runtime is to a project that signed for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The same.
    None,
    /// A later one that takes transactions of the same form.
    Compatible,
    /// Transactions have another form, or it is another program.
    Form,
    /// An earlier one.
    Older,
}

impl RuntimePin {
    /// What `found` is to whoever signed for this one.
    pub fn change(&self, found: &Self) -> Change {
        if self.name != found.name || self.transaction != found.transaction {
            return Change::Form;
        }
        match found.spec.cmp(&self.spec) {
            std::cmp::Ordering::Less => Change::Older,
            std::cmp::Ordering::Equal => Change::None,
            std::cmp::Ordering::Greater => Change::Compatible,
        }
    }
}

impl fmt::Display for RuntimePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.name, self.spec, self.transaction)
    }
}

impl FromStr for RuntimePin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: give NAME/SPEC_VERSION/TRANSACTION_VERSION");
        let mut parts = text.rsplitn(3, '/');
        let mut number = || parts.next().and_then(|part| part.parse().ok());
        let (transaction, spec) = (number(), number());
        match (parts.next(), spec, transaction) {
            (Some(name), Some(spec), Some(transaction)) if !name.is_empty() => Ok(Self {
                name: name.to_owned(),
                spec,
                transaction,
            }),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for RuntimePin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<RuntimePin> for String {
    fn from(pin: RuntimePin) -> Self {
        pin.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(text: &str) -> RuntimePin {
        text.parse().unwrap()
    }

    #[test]
    fn a_runtime_is_written_as_it_is_read() {
        for text in ["ves/103/1", "a/b/7/0"] {
            assert_eq!(pin(text).to_string(), text);
        }
        for wrong in [
            "", "ves", "ves/1", "/1/1", "ves/x/1", "ves/1/-1", "ves/1/1/",
        ] {
            assert!(wrong.parse::<RuntimePin>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_a_later_runtime_with_the_same_form_of_transactions_follows_by_itself() {
        let known = pin("ves/103/1");
        for (found, change) in [
            ("ves/103/1", Change::None),
            ("ves/104/1", Change::Compatible),
            ("ves/104/2", Change::Form),
            ("ves/103/2", Change::Form),
            ("ves/102/1", Change::Older),
            ("ves/102/0", Change::Form),
            ("other/104/1", Change::Form),
        ] {
            assert_eq!(known.change(&pin(found)), change, "{found}");
        }
    }
}
