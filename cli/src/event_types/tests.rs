// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;

fn types(files: &[(&str, &str)]) -> (tempfile::TempDir, EventTypes) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let types = EventTypes::of(dir.path(), None, true).unwrap();
    (dir, types)
}

fn judge(types: &EventTypes, event_type: &str, payload: &str) -> Result<Verdict> {
    types.judge(&mut Judges::default(), event_type, payload)
}

fn misfits(types: &EventTypes, event_type: &str, payload: &str) -> Vec<(String, String)> {
    match judge(types, event_type, payload).unwrap() {
        Verdict::Misfits(found) => found.into_iter().map(|m| (m.pointer, m.problem)).collect(),
        other => panic!("{other:?}"),
    }
}

const NOTE: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": { "type": "string", "maxLength": 5, "pattern": "^[a-z]*$" },
        "tags": { "type": "array", "items": { "$ref": "#/$defs/tag" } },
        "stars": { "type": "integer", "minimum": 1, "maximum": 5 }
    },
    "additionalProperties": false,
    "$defs": { "tag": { "type": "string" } }
}"##;

#[test]
fn every_built_in_schema_is_one_and_takes_ordinary_payloads() {
    let types = EventTypes::built_in();
    for name in types.names() {
        types.check_schema(&name).unwrap();
        assert_eq!(judge(&types, &name, "{}").unwrap(), Verdict::Fits, "{name}");
    }
    for payload in [
        r#"{"total":"12.00"}"#,
        r#"{"total":12}"#,
        r#"{"total":-1.5,"currency":"USD","more":[1]}"#,
    ] {
        assert_eq!(
            judge(&types, "order.created", payload).unwrap(),
            Verdict::Fits
        );
    }
}

#[test]
fn a_built_in_schema_names_the_member_that_does_not_fit() {
    let types = EventTypes::built_in();
    let found = misfits(&types, "order.created", r#"{"total":true,"items":{}}"#);
    let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert!(pointers.contains(&"/total") && pointers.contains(&"/items"));
    let whole = misfits(&types, "order.created", "[]");
    assert_eq!(whole[0].0, "");
    assert!(whole[0].1.contains("want object"), "{whole:?}");
}

#[test]
fn what_does_not_fit_is_named_by_json_pointer_and_without_the_payloads_values() {
    let (_dir, types) = types(&[("note.added.json", NOTE)]);
    for (payload, pointer) in [
        ("{}", ""),
        (r#"{"text":"secret-word"}"#, "/text"),
        (r#"{"text":"a","tags":["b",77123]}"#, "/tags/1"),
        (r#"{"text":"a","stars":77123}"#, "/stars"),
        (r#"{"text":"a","a/b~c":1}"#, ""),
    ] {
        let found = misfits(&types, "note.added", payload);
        assert!(
            found.iter().any(|(at, _)| at == pointer),
            "{payload}: {found:?}"
        );
        let text = format!("{found:?}");
        assert!(
            !text.contains("secret-word") && !text.contains("77123"),
            "{text}"
        );
    }
    assert_eq!(
        judge(
            &types,
            "note.added",
            r#"{"text":"abc","tags":["x"],"stars":5}"#
        )
        .unwrap(),
        Verdict::Fits
    );
}

#[test]
fn a_schema_of_the_project_goes_before_the_built_in_one() {
    let (_dir, types) = types(&[("order.created.json", r#"{"required":["customer"]}"#)]);
    assert_eq!(misfits(&types, "order.created", "{}").len(), 1);
    assert_eq!(judge(&types, "order.updated", "{}").unwrap(), Verdict::Fits);
    let schema = types.schema("order.created").unwrap().unwrap();
    assert!(matches!(schema.source, Source::File(_)));
}

#[test]
fn unknown_types_are_parked_where_the_project_describes_its_own_and_accepted_elsewhere() {
    let (dir, with) = types(&[("note.added.json", "{}")]);
    let (_empty, without) = types(&[]);
    assert_eq!(
        (with.unknown(), without.unknown()),
        (Unknown::Park, Unknown::Accept)
    );
    let set = EventTypes::of(dir.path(), Some(Unknown::Refuse), true).unwrap();
    assert_eq!(set.unknown(), Unknown::Refuse);
    assert_eq!(judge(&with, "never.heard", "{}").unwrap(), Verdict::Unknown);
    let missing = EventTypes::of(&dir.path().join("none"), None, true).unwrap();
    assert_eq!(missing.unknown(), Unknown::Accept);
}

#[test]
fn a_schema_that_is_none_is_named_with_its_file() {
    for text in [
        "",
        "{",
        "[]",
        "7",
        r#"{"type":"objekt"}"#,
        r#"{"pattern":"("}"#,
        r#"{"$ref":"https://example.com/x.json"}"#,
        r#"{"$ref":"file:///etc/passwd"}"#,
        r#"{"a":1,"a":2}"#,
    ] {
        let (_dir, types) = types(&[("bad.type.json", text)]);
        let failure = judge(&types, "bad.type", "{}").unwrap_err();
        assert_eq!(failure.code, "schema_invalid", "{text}");
        assert!(failure.message.contains("bad.type.json"), "{failure}");
        assert_eq!(
            types.check_schema("bad.type").unwrap_err().code,
            "schema_invalid"
        );
        // Others are not touched by it.
        assert_eq!(judge(&types, "order.created", "{}").unwrap(), Verdict::Fits);
    }
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    let tree = r##"{"type":"object","properties":{"child":{"$ref":"#"}}}"##;
    let (_dir, types) = types(&[("tree.grown.json", tree)]);
    let deep = format!("{}1{}", r#"{"child":"#.repeat(50), "}".repeat(50));
    assert_eq!(
        misfits(&types, "tree.grown", &deep)[0].0,
        "/child".repeat(50)
    );
    let loops = r##"{"$ref":"#"}"##;
    let (_dir, types) = self::types(&[("loop.made.json", loops)]);
    // Whatever it says, it says so in the end.
    let _ = judge(&types, "loop.made", "{}");
}

#[test]
fn the_hash_of_a_schema_is_the_one_that_the_chain_keeps() {
    let (_dir, types) = types(&[("x.y.json", "{ \"type\" :\n \"object\" }")]);
    // SHA-256 of `{"type":"object"}`, computed elsewhere.
    assert_eq!(
        types.schema("x.y").unwrap().unwrap().hash.to_string(),
        "0xa2c799262a3ce3c19ef5cdd983bf3d12b43ab3c426227091b909dcb7054738c0"
    );
}

#[test]
fn whoever_turns_validation_off_still_parks_what_is_unknown() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("note.added.json"), NOTE).unwrap();
    let types = EventTypes::of(dir.path(), None, false).unwrap();
    assert_eq!(judge(&types, "note.added", "{}").unwrap(), Verdict::Fits);
    assert_eq!(
        judge(&types, "never.heard", "{}").unwrap(),
        Verdict::Unknown
    );
}
