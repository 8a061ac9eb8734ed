// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Canonical JSON: the peer's known answers, and what is refused instead of rounded.

mod common;

use common::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use ves_primitives::{
    PolicyHash,
    jcs::{JcsError, canonicalize, canonicalize_value, is_canonical, parse_strict},
    payload_plain_hash, policy_hash, policy_hash_of_canonical, sha256,
};

/// The salt of `payload_plain_hash_salted` in `jcs.json`, the one the events file uses too.
const SALT: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

#[test]
fn generated_cases_have_the_peers_bytes_and_hashes_or_are_refused_as_unsafe() {
    let file = vectors("sequencer/generated/jcs.json");
    let mut refused = Vec::new();
    let mut accepted = 0;
    for case in cases(&file["cases"], 14) {
        let (json, canonical) = (text(&case["json"]), text(&case["canonical"]));
        assert_eq!(
            canonical.as_bytes(),
            bytes(&case["canonical_hex"]),
            "{json}"
        );
        // The hash rule holds for every case; whether we canonicalize the text is another matter.
        let hash = |salt| payload_plain_hash(salt, canonical.as_bytes());
        assert_eq!(hash(None), id(&case["payload_plain_hash"]), "{json}");
        assert_eq!(
            hash(Some(&SALT)),
            id(&case["payload_plain_hash_salted"]),
            "{json}"
        );
        match canonicalize(json) {
            Ok(ours) => {
                assert_eq!(ours, canonical);
                assert!(is_canonical(canonical.as_bytes()), "{json}");
                assert_eq!(canonicalize(canonical).as_deref(), Ok(canonical));
                accepted += 1;
            }
            Err(JcsError::UnsafeInteger(_)) => {
                assert!(!is_canonical(canonical.as_bytes()), "{json}");
                refused.push(json);
            }
            Err(other) => panic!("{json}: {other}"),
        }
    }
    assert_eq!(accepted, 12);
    assert_eq!(
        refused,
        [
            "[1e21,1e20,1e-6,1e-7,123456789012345680000,5e-324,1.7976931348623157e308]",
            "[9007199254740991,9007199254740992,9007199254740993,18446744073709551615,\
             -9223372036854775808]",
        ],
        "integers that a double cannot carry are refused, not rounded"
    );
    // What is safe of the first refused case still has the peer's bytes.
    assert_eq!(
        canonicalize("[1e21,1e-6,1e-7,5e-324,1.7976931348623157e308]").as_deref(),
        Ok("[1e+21,0.000001,1e-7,5e-324,1.7976931348623157e+308]")
    );
}

#[test]
fn the_peers_own_tests_pass_and_null_is_no_payload() {
    let file = vectors("sequencer/transcribed/rust_crypto_hash_rs.json");
    let mut nulls = 0;
    for case in cases(&file["canonicalize_json"], 28) {
        let (input, output) = (text(&case["in"]), text(&case["out"]));
        if input == "null" {
            assert_eq!(canonicalize(input), Err(JcsError::Null));
            nulls += 1;
            continue;
        }
        assert_eq!(
            canonicalize(input).as_deref(),
            Ok(output),
            "{}",
            case["test"]
        );
    }
    assert_eq!(nulls, 1);
}

#[test]
fn yellow_paper_cases_pass() {
    let file = vectors("sequencer/transcribed/yellowpaper_section_22.json");
    let pairs = [
        cases(&file["22.2_jcs"], 5),
        cases(&file["22.7_jcs_nonascii"], 2),
    ]
    .concat();
    for pair in &pairs {
        assert_eq!(canonicalize(text(&pair[0])).as_deref(), Ok(text(&pair[1])));
    }
    assert_eq!(pairs.len(), 7);
}

#[test]
fn sdk_cases_pass_and_null_is_no_payload() {
    let file = vectors("sequencer/transcribed/icommerce_sdk_cross_language.json");
    let mut nulls = 0;
    for pair in cases(&file["jcs"], 9) {
        if text(&pair[0]) == "null" {
            assert_eq!(canonicalize("null"), Err(JcsError::Null));
            nulls += 1;
            continue;
        }
        assert_eq!(canonicalize(text(&pair[0])).as_deref(), Ok(text(&pair[1])));
    }
    let file = vectors("cli/ves_crypto_vectors.json");
    for case in cases(&file["jcs"]["cases"], 9) {
        if case["input"].is_null() {
            assert_eq!(canonicalize_value(&case["input"]), Err(JcsError::Null));
            nulls += 1;
            continue;
        }
        let ours = canonicalize_value(&case["input"]);
        assert_eq!(
            ours.as_deref(),
            Ok(text(&case["expected"])),
            "{}",
            case["id"]
        );
    }
    assert_eq!(nulls, 2);
    let file = vectors("cli/cross_binding_v1.json");
    for case in cases(&file["canonical_json"]["cases"], 7) {
        let canonical = canonicalize_value(&case["input"]).unwrap();
        assert_eq!(
            sha256(canonical.as_bytes()),
            array(&case["expected_hex"]),
            "{}",
            case["id"]
        );
    }
}

#[test]
fn what_the_newer_sdk_must_reject_is_rejected_as_far_as_text_can_say_it() {
    let file = vectors("sequencer/transcribed/upstream_sdk_tests.json");
    let mut not_text = 0;
    for case in cases(&file["jcs_must_reject"], 7) {
        let texts: &[&str] = match text(case) {
            "lone surrogate D800 in value or key" => &[
                r#""\ud800""#,
                r#"{"a":"\ud800"}"#,
                r#"{"\ud800":1}"#,
                r#""\ud800\u0041""#,
            ],
            "lone surrogate DFFF" => &[r#""\udfff""#, r#"{"\udfff":1}"#],
            "sparse array" => &["[1,,2]", "[,]", "[1,]"],
            "undefined member" => &[r#"{"a":undefined}"#, r#"{"a":}"#],
            // Values of a running JavaScript program; a JSON text cannot contain them.
            "Date/Map/object with toJSON function" | "circular reference" | "accessor property" => {
                not_text += 1;
                continue;
            }
            other => panic!("unknown case {other}"),
        };
        for json in texts {
            assert!(
                matches!(canonicalize(json), Err(JcsError::Syntax(_))),
                "{json}"
            );
        }
    }
    assert_eq!(not_text, 3);
    for pair in cases(&file["payload_plain_hash_equal"], 1) {
        assert_eq!(canonicalize_value(&pair[0]), canonicalize_value(&pair[1]));
    }
}

#[test]
fn policy_hashes_and_public_inputs_are_reproduced() {
    let file = vectors("sequencer/generated/proofs_pop_x402_legacy.json");
    for case in cases(&file["policy_hash"], 4) {
        let expected: PolicyHash = id(&case["hash"]);
        let ours = policy_hash(text(&case["policy_id"]), &case["policy_params"]);
        assert_eq!(ours, Ok(expected));
        let preimage = text(&case["preimage_json"]).as_bytes();
        assert!(is_canonical(preimage));
        assert_eq!(policy_hash_of_canonical(preimage), expected);
    }
    let inputs = &file["compliance_public_inputs"];
    assert_members(
        inputs,
        &["value", "canonical", "public_inputs_hash_sha256_plain"],
    );
    let canonical = canonicalize_value(&inputs["value"]).unwrap();
    assert_eq!(canonical, text(&inputs["canonical"]));
    assert_eq!(
        sha256(canonical.as_bytes()),
        array(&inputs["public_inputs_hash_sha256_plain"])
    );
    assert!(matches!(
        policy_hash("x", &json!({ "cap": u64::MAX })),
        Err(JcsError::UnsafeInteger(_))
    ));
}

#[test]
fn integers_beyond_the_safe_range_are_refused_in_every_spelling() {
    for json in [
        "9007199254740992",
        "-9007199254740992",
        "9007199254740993",
        "9007199254740992.0",
        "9007199254740993.5",
        "9007199254740992e0",
        "90071992547409920e-1",
        "1e16",
        "1E20",
        "-1e+20",
        "18446744073709551615",
        "18446744073709551616",
        "100000000000000000000000000000000000000000000000000",
        r#"{"a":[{"b":9007199254740992}]}"#,
    ] {
        assert!(
            matches!(canonicalize(json), Err(JcsError::UnsafeInteger(_))),
            "{json}"
        );
        assert!(!is_canonical(json.as_bytes()), "{json}");
    }
    for (json, canonical) in [
        ("9007199254740991", "9007199254740991"),
        ("-9007199254740991", "-9007199254740991"),
        ("9007199254740991.0", "9007199254740991"),
        ("-0", "0"),
        ("0e5", "0"),
        ("1e15", "1000000000000000"),
        // Doubles from 10^21 on print with an exponent: no reader takes them for an integer.
        ("1e21", "1e+21"),
        ("123456789e30", "1.23456789e+38"),
        // Digits inside a text are a text.
        (r#""9007199254740993""#, r#""9007199254740993""#),
    ] {
        assert_eq!(canonicalize(json).as_deref(), Ok(canonical), "{json}");
    }
    assert!(canonicalize("1e400").is_err(), "no double is that large");
    for value in [
        json!(9_007_199_254_740_992_u64),
        json!(i64::MIN),
        json!(1e17),
    ] {
        assert!(
            matches!(canonicalize_value(&value), Err(JcsError::UnsafeInteger(_))),
            "{value}"
        );
    }
}

#[test]
fn duplicate_keys_are_refused_however_they_are_spelt() {
    for (json, key) in [
        (r#"{"a":1,"a":1}"#, "a"),
        (r#"{"a":1,"\u0061":2}"#, "a"),
        (r#"{ "a" : 1 , "b" : 2 , "a" : 3 }"#, "a"),
        (r#"[{"x":{"k":1,"k":2}}]"#, "k"),
        (r#"{"":1,"":2}"#, ""),
        ("{\"\\\"\":1,\"\\u0022\":2}", "\""),
    ] {
        assert_eq!(
            canonicalize(json),
            Err(JcsError::DuplicateKey(key.into())),
            "{json}"
        );
    }
    for json in [
        r#"{"a":{"a":{"a":1}}}"#,
        r#"[{"a":1},{"a":1}]"#,
        r#"{"a":"a","b":"a"}"#,
        r#"{"a":["a","a"],"b":{"c":1}}"#,
        r#"{"a":"\":\"","b":1}"#,
    ] {
        assert_eq!(canonicalize(json).as_deref(), Ok(json));
    }
}

/// With `raw_value` or `arbitrary_precision` on, which any crate of a build may do, these texts
/// would parse as what they contain.
#[test]
fn keys_that_the_parser_keeps_for_itself_are_refused() {
    for json in [
        r#"{"$serde_json::private::RawValue":"{\"a\":1,\"a\":2}"}"#,
        r#"{"$serde_json::private::RawValue":"9007199254740993"}"#,
        r#"{"$serde_json::private::Number":"1"}"#,
        r#"{"\u0024serde_json::private::Number":"1"}"#,
        r#"[{"a":{"b":1,"$serde_json::private::RawValue":"1"}}]"#,
        r#"{"$serde_json::private::Number":"no number"}"#,
    ] {
        assert!(
            matches!(
                canonicalize(json),
                Err(JcsError::ReservedKey(_) | JcsError::Syntax(_))
            ),
            "{json}"
        );
        assert!(!is_canonical(json.as_bytes()), "{json}");
    }
    let value = Value::Object(
        [("$serde_json::private::RawValue".to_owned(), json!("1"))]
            .into_iter()
            .collect(),
    );
    assert!(matches!(
        canonicalize_value(&value),
        Err(JcsError::ReservedKey(_))
    ));
    assert_eq!(
        canonicalize(r#"{"$serde":1}"#).as_deref(),
        Ok(r#"{"$serde":1}"#)
    );
}

#[test]
fn nesting_is_limited_before_the_stack_is() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(canonicalize(&nested(127)), Ok(nested(127)));
    for depth in [128, 1_000, 1_000_000] {
        assert!(
            matches!(canonicalize(&nested(depth)), Err(JcsError::Syntax(_))),
            "{depth}"
        );
    }
    assert!(canonicalize(&"[".repeat(1_000_000)).is_err());
    assert!(canonicalize(&r#"{"a":"#.repeat(1_000_000)).is_err());
}

#[test]
fn bytes_that_are_not_canonical_are_told_apart() {
    for bytes in [
        &b""[..],
        b"null",
        b" {}",
        b"{}\n",
        b"{ }",
        b"1.0",
        b"-0",
        b"1e21",
        b"1E+21",
        br#"{"b":1,"a":2}"#,
        br#"{"a":1,"a":1}"#,
        br#""\u0041""#,
        br#""\/""#,
        br#""\u001F""#,
        b"\xff",
        b"\"\xed\xa0\x80\"",
        b"\xef\xbb\xbf{}",
        b"{}{}",
    ] {
        assert!(!is_canonical(bytes), "{}", String::from_utf8_lossy(bytes));
    }
    for bytes in [
        &b"{}"[..],
        b"0",
        b"true",
        b"\"\"",
        b"1e+21",
        br#""\u001f/""#,
        "\"é\"".as_bytes(),
    ] {
        assert!(is_canonical(bytes), "{}", String::from_utf8_lossy(bytes));
    }
}

/// JSON texts with free spelling: white space, escapes, every form of number.
fn json_text() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i32>().prop_map(|n| n.to_string()),
        any::<f64>()
            .prop_filter("finite", |n| n.is_finite())
            .prop_map(|n| format!("{n:e}")),
        any::<f32>()
            .prop_filter("finite", |n| n.is_finite())
            .prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?",
    ];
    let string = prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("a text is JSON")),
        "\"(\\\\u00[0-7][0-9a-fA-F]|\\\\[bfnrt/\"\\\\]|[a-z\u{e9}\u{1f600}\u{fb33}]){0,6}\"",
    ];
    let leaf = prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
        number,
        string.clone(),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        let member = (string.clone(), "[ \t\n]{0,2}", inner.clone())
            .prop_map(|(key, space, value)| format!("{key}{space}:{space}{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec(member, 0..6)
                .prop_map(|members| format!("{{ {}\r\n}}", members.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn canonicalization_is_idempotent_and_agrees_with_the_check(json in json_text()) {
        match canonicalize(&json) {
            Ok(canonical) => {
                prop_assert_eq!(canonicalize(&canonical), Ok(canonical.clone()));
                prop_assert!(is_canonical(canonical.as_bytes()));
                prop_assert_eq!(is_canonical(json.as_bytes()), json == canonical);
                // A value built from the text has the same canonical form.
                let value = parse_strict(&json).unwrap();
                prop_assert_eq!(canonicalize_value(&value), Ok(canonical));
            }
            Err(_) => prop_assert!(!is_canonical(json.as_bytes())),
        }
    }

    #[test]
    fn any_text_gets_a_verdict(text in any::<String>(), raw in any::<Vec<u8>>()) {
        let _ = canonicalize(&text);
        let _ = is_canonical(&raw);
    }

    #[test]
    fn damaged_json_gets_a_verdict(
        json in json_text(),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
    ) {
        let mut raw = json.into_bytes();
        let at = at.index(raw.len());
        raw[at] = with;
        let canonical = std::str::from_utf8(&raw).ok().and_then(|text| canonicalize(text).ok());
        prop_assert_eq!(is_canonical(&raw), canonical.is_some_and(|text| text.as_bytes() == raw));
    }
}
