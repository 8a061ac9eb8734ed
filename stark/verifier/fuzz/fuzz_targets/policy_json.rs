// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Policies from JSON: whatever is read writes back to the same canonical bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ves_primitives::{Policy, jcs};

fuzz_target!(|input: (u8, &str)| {
    let (which, text) = input;
    let ids = [
        "aml.threshold",
        "order_total.cap",
        "agent.authorization.v1",
        "agent.budget.v1",
    ];
    let id = ids[usize::from(which) % ids.len()];
    let Ok(value) = jcs::parse_strict(text) else {
        return;
    };
    if let Ok(policy) = Policy::from_json(id, &value) {
        assert_eq!(
            jcs::canonicalize_value(&value).unwrap(),
            policy.params_json()
        );
        let _ = policy.effective_limit();
    }
});
