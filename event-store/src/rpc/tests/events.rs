// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Filters, histories, lists: a walk through pages gives what a plain look at all events gives.

use super::*;
use crate::both::{Place, on_both_databases};
use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};
use ves_primitives::{
    CommandId,
    wire::{EntityHistoryJson, EventFilter, FoundEventsJson, StreamsPageJson},
};

/// What an event may be about. Names with NUL, percent signs and quotes are names like any other.
const ENTITY_TYPES: [&str; 3] = ["order", "or\0der", "it'em"];
const ENTITY_IDS: [&str; 3] = ["1", "%", "\u{65e5}\0"];
const EVENT_TYPES: [&str; 3] = ["order.created", "order.%", "ORDER.CREATED"];

/// One event: which of the above, agent, and command.
type Sort = (usize, usize, usize, u8, Option<u8>);

fn sort() -> impl Strategy<Value = Sort> {
    (
        0..3usize,
        0..3usize,
        0..3usize,
        0..3u8,
        prop::option::of(0..3u8),
    )
}

fn sorted_event(n: u64, (kind, id, what, agent, command): Sort) -> SubmittedEvent {
    let mut event = event(STORE, n, "{}");
    let text = |text: &str| text.as_bytes().to_vec();
    let envelope = &mut event.envelope;
    envelope.entity_type = text(ENTITY_TYPES[kind]).try_into().unwrap();
    envelope.entity_id = text(ENTITY_IDS[id]).try_into().unwrap();
    envelope.event_type = text(EVENT_TYPES[what]).try_into().unwrap();
    envelope.source_agent_id = AgentId([agent; 16]);
    envelope.ves_version = 2;
    envelope.command_id = command.map(|command| CommandId([command; 16]));
    event
}

fn filter() -> impl Strategy<Value = EventFilter> {
    let name = |names: [&'static str; 3]| {
        prop::option::of((0..3usize).prop_map(move |n| names[n].to_owned()))
    };
    // Some agents, commands and times that nothing has.
    (
        name(ENTITY_TYPES),
        name(ENTITY_IDS),
        name(EVENT_TYPES),
        prop::option::of((0..4u8).prop_map(|agent| AgentId([agent; 16]))),
        prop::option::of((0..4u8).prop_map(|command| CommandId([command; 16]))),
        prop::option::of(0..30_000u64),
        prop::option::of(0..30_000u64),
    )
        .prop_map(
            |(entity_type, entity_id, event_type, agent_id, command_id, since_ms, until_ms)| {
                EventFilter {
                    entity_type,
                    entity_id,
                    event_type,
                    agent_id,
                    command_id,
                    since_ms,
                    until_ms,
                }
            },
        )
}

/// What the filter means, said plainly.
fn lets_through(filter: &EventFilter, event: &SequencedEventJson) -> bool {
    let is = |wanted: &Option<String>, found: &String| wanted.as_ref().is_none_or(|it| it == found);
    let json = &event.event;
    is(&filter.entity_type, &json.entity_type)
        && is(&filter.entity_id, &json.entity_id)
        && is(&filter.event_type, &json.event_type)
        && filter
            .agent_id
            .is_none_or(|agent| agent == json.source_agent_id)
        && filter
            .command_id
            .is_none_or(|command| Some(command) == json.command_id)
        && filter
            .since_ms
            .is_none_or(|since| event.block_time_ms >= since)
        && filter
            .until_ms
            .is_none_or(|until| event.block_time_ms < until)
}

/// A store with blocks of such events, a few for another stream, and some empty.
async fn filled(place: &Place, blocks: &[Vec<Sort>]) -> Store {
    let store = place.open().await;
    let mut chain = Chain::default();
    let mut n = 0;
    let prepared: Vec<_> = blocks
        .iter()
        .map(|sorts| {
            let events: Vec<_> = sorts
                .iter()
                .map(|sort| {
                    n += 1;
                    sorted_event(n, *sort)
                })
                .collect();
            let other = event(OTHER_STORE, 1_000_000 + n, "{}");
            match events.len() {
                0 => prepared(chain.block(&[], "")),
                _ => prepared(chain.block_of(vec![(STORE, events), (OTHER_STORE, vec![other])])),
            }
        })
        .collect();
    store.append(&prepared).await.unwrap();
    store.report_finalized(u32::try_from(blocks.len()).unwrap(), false);
    store
}

/// All pages of a walk.
async fn walk(
    module: &RpcModule<()>,
    filter: &EventFilter,
    newest_first: bool,
    limit: u32,
) -> Vec<SequencedEventJson> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let params = json!([TENANT, STORE, filter, newest_first, cursor, limit]).to_string();
        let page = call(module, "ves_findEvents", &params).await.unwrap();
        let page: FoundEventsJson = serde_json::from_value(page).unwrap();
        assert!(page.events.len() <= limit as usize);
        all.extend(page.events);
        match page.cursor {
            Some(next) => cursor = Some(next),
            None => return all,
        }
    }
}

on_both_databases! {
    async fn a_walk_through_pages_gives_exactly_what_the_filter_says(place: Place) {
        let mut runner = TestRunner::deterministic();
        let blocks = vec(vec(sort(), 0..30), 12).new_tree(&mut runner).unwrap().current();
        let store = filled(&place, &blocks).await;
        let module = over(&store, 1);
        let everything = walk(&module, &EventFilter::default(), false, 1_000).await;
        assert_eq!(everything.len(), blocks.iter().map(Vec::len).sum::<usize>());
        let (mut some, mut none) = (0, 0);
        for _ in 0..60 {
            let filter = filter().new_tree(&mut runner).unwrap().current();
            let limit = (1u32..20).new_tree(&mut runner).unwrap().current();
            let expected: Vec<_> = everything
                .iter()
                .filter(|event| lets_through(&filter, event))
                .cloned()
                .collect();
            let found = walk(&module, &filter, false, limit).await;
            assert_eq!(found, expected, "{filter:?} by {limit}");
            let mut backwards = walk(&module, &filter, true, limit).await;
            backwards.reverse();
            assert_eq!(backwards, expected, "{filter:?} by {limit}, newest first");
            if expected.is_empty() { none += 1 } else { some += 1 }
        }
        assert!(some > 10 && none > 10, "{some} filters found something, {none} nothing");
    }

    async fn the_history_of_an_entity_counts_its_versions(place: Place) {
        let mut runner = TestRunner::deterministic();
        let blocks = vec(vec(sort(), 0..30), 8).new_tree(&mut runner).unwrap().current();
        let store = filled(&place, &blocks).await;
        let module = over(&store, 1);
        let everything = walk(&module, &EventFilter::default(), false, 1_000).await;
        for (kind, id) in [(0, 0), (1, 2), (2, 1)] {
            let (kind, id) = (ENTITY_TYPES[kind], ENTITY_IDS[id]);
            let of_it: Vec<_> = everything
                .iter()
                .filter(|event| event.event.entity_type == kind && event.event.entity_id == id)
                .collect();
            let mut versions = Vec::new();
            let mut cursor: Option<String> = None;
            loop {
                let params = json!([TENANT, STORE, kind, id, cursor, 4]).to_string();
                let page = call(&module, "ves_entityHistory", &params).await.unwrap();
                let page: EntityHistoryJson = serde_json::from_value(page).unwrap();
                assert_eq!(page.current_version, of_it.len() as u64);
                versions.extend(page.versions);
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
            assert!(versions.len() > 4, "{}", versions.len());
            let numbers: Vec<_> = versions.iter().map(|version| version.version).collect();
            assert_eq!(numbers, (1..=of_it.len() as u64).collect::<Vec<_>>());
            assert!(versions.iter().map(|version| &version.event).eq(of_it));
        }
        let params = json!([TENANT, STORE, "order", "none"]).to_string();
        assert_eq!(
            call(&module, "ves_entityHistory", &params).await,
            Ok(json!({ "versions": [], "current_version": 0 }))
        );
    }

    async fn versions_go_on_from_a_cursor_whatever_was_appended_or_taken_back_since(place: Place) {
        let store = place.open().await;
        let mut chain = Chain::default();
        let blocks: Vec<_> = (0..3).map(|_| prepared(chain.block(&[(STORE, 4), (OTHER_STORE, 1)], "{}"))).collect();
        store.append(&blocks[..2]).await.unwrap();
        store.report_finalized(3, false);
        let module = over(&store, 1);
        let ask = async |cursor: Value| {
            let params = json!([TENANT, STORE, "order", "o-1", cursor, 3]).to_string();
            let page = call(&module, "ves_entityHistory", &params).await.unwrap();
            let numbers: Vec<_> = page["versions"].as_array().unwrap().iter().map(|version| version["version"].clone()).collect();
            (json!(numbers), page["current_version"].clone(), page["cursor"].clone())
        };
        let (numbers, current, cursor) = ask(Value::Null).await;
        assert_eq!((numbers, current), (json!([1, 2, 3]), json!(8)));
        store.append(&blocks[2..]).await.unwrap();
        let (numbers, current, next) = ask(cursor.clone()).await;
        assert_eq!((numbers, current), (json!([4, 5, 6]), json!(12)));
        let (numbers, current, _) = ask(next).await;
        assert_eq!((numbers, current), (json!([7, 8, 9]), json!(12)));
        // Indexed anew from the second block on: what is left is counted as before.
        let at = crate::Cursor { number: 1, hash: blocks[0].hash() };
        assert!(store.rewind(&at).await.unwrap());
        let (numbers, current, next) = ask(cursor.clone()).await;
        assert_eq!((numbers, current, next), (json!([4]), json!(4), Value::Null));
        store.check_ends().await.unwrap();
        store.append(&blocks[1..]).await.unwrap();
        let (numbers, current, _) = ask(cursor).await;
        assert_eq!((numbers, current), (json!([4, 5, 6]), json!(12)));
        let nothing = crate::Cursor { number: 0, hash: GENESIS.0 };
        assert!(store.rewind(&nothing).await.unwrap());
        assert_eq!(ask(Value::Null).await, (json!([]), json!(0), Value::Null));
        store.check_ends().await.unwrap();
    }

    async fn a_rare_event_is_found_in_steps_of_bounded_work(place: Place) {
        let store = place.open().await;
        let mut chain = Chain::default();
        let mut blocks = Vec::new();
        for block in 0..3u64 {
            let events = (0..7_000u64).map(|n| {
                let mut event = event(STORE, block * 7_000 + n, "{}");
                if block == 2 && n == 6_990 {
                    event.envelope.event_type = b"order.lost".to_vec().try_into().unwrap();
                }
                if block == 2 && n == 6_991 {
                    event.envelope.entity_type = b"lost".to_vec().try_into().unwrap();
                }
                event
            });
            blocks.push(prepared(chain.block_of(vec![(STORE, events.collect())])));
        }
        store.append(&blocks).await.unwrap();
        store.report_finalized(3, false);
        let module = over(&store, 1);
        // Both parts of each filter are common alone; together they are rare. There is an index of pairs
        // with the type of event.
        for pair in [json!({ "agent_id": AGENT, "event_type": "order.lost" }), json!({ "entity_type": "order", "event_type": "order.lost" })] {
            let params = json!([TENANT, STORE, pair]).to_string();
            let page = call(&module, "ves_findEvents", &params).await.unwrap();
            assert_eq!((page["events"].as_array().unwrap().len(), page.get("cursor")), (1, None));
        }
        let filter = json!({ "agent_id": AGENT, "entity_type": "lost" });
        let mut cursor = Value::Null;
        let mut sizes = Vec::new();
        loop {
            let params = json!([TENANT, STORE, filter, null, cursor]).to_string();
            let page = call(&module, "ves_findEvents", &params).await.unwrap();
            sizes.push(page["events"].as_array().unwrap().len());
            match page.get("cursor") {
                Some(next) => cursor = next.clone(),
                None => break,
            }
        }
        assert_eq!(sizes, [0, 0, 1], "10,000 events a call");
    }

    async fn streams_are_listed_page_by_page_and_by_tenant(place: Place) {
        let store = place.open().await;
        let mut chain = Chain::default();
        let stores: Vec<_> = (0..25).map(|n| (StoreId([n; 16]), 1)).collect();
        let blocks = [chain.block(&stores[..20], "{}"), chain.block(&stores[15..], "{}")];
        store.append(&blocks.map(prepared)).await.unwrap();
        store.report_finalized(2, false);
        let module = over(&store, 1);
        for tenant in [Value::Null, json!(TENANT)] {
            let mut found = std::collections::BTreeMap::new();
            let mut cursor: Option<String> = None;
            loop {
                let params = json!([tenant, cursor, 10]).to_string();
                let page = call(&module, "ves_streams", &params).await.unwrap();
                let page: StreamsPageJson = serde_json::from_value(page).unwrap();
                assert_eq!(page.finalized_block_number, 2);
                for stream in page.streams {
                    found.insert(stream.store_id, (stream.tenant_id, stream.sequence));
                }
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
            let expected = (0..25).map(|n| (StoreId([n; 16]), (TENANT, if (15..20).contains(&n) { 2 } else { 1 })));
            assert!(found.into_iter().eq(expected));
        }
        let params = json!([TenantId([9; 16])]).to_string();
        let page = call(&module, "ves_streams", &params).await.unwrap();
        assert_eq!(page, json!({ "streams": [], "finalized_block_number": 2 }));
    }

    async fn batches_and_what_a_block_commits_to_are_listed(place: Place) {
        let store = place.open().await;
        let mut chain = Chain::default();
        let blocks: Vec<_> = (0..5)
            .map(|_| chain.block(&[(STORE, 2), (OTHER_STORE, 1)], "{}"))
            .collect();
        let commitments: Vec<_> = blocks.iter().map(|raw| raw.commitment).collect();
        let blocks: Vec<_> = blocks.into_iter().map(prepared).collect();
        store.append(&blocks).await.unwrap();
        store.report_finalized(6, false);
        let module = over(&store, 1);
        let params = json!([TENANT, STORE, 1, 3]).to_string();
        let page = call(&module, "ves_batches", &params).await.unwrap();
        let numbers: Vec<_> = page["batches"].as_array().unwrap().iter().map(|batch| batch["batch_index"].clone()).collect();
        assert_eq!((json!(numbers), &page["next_index"], &page["batch_count"]), (json!([1, 2, 3]), &json!(4), &json!(5)));
        let params = json!([TENANT, STORE, 4]).to_string();
        let page = call(&module, "ves_batches", &params).await.unwrap();
        assert_eq!((page["batches"].as_array().unwrap().len(), page.get("next_index")), (1, None));

        let commitment = store.block_commitment(3).await.unwrap().unwrap();
        assert_eq!(ves_primitives::BlockCommitment::commit(&commitment.batches), commitments[2]);
        assert_eq!(commitment.block_time_ms, 6_000);
        // Final and not indexed; neither.
        let (code, _) = call(&module, "ves_blockCommitment", "[6]").await.unwrap_err();
        assert_eq!(code, i64::from(NOT_INDEXED_YET));
        assert_eq!(call(&module, "ves_blockCommitment", "[7]").await, Ok(Value::Null));
    }

    async fn a_command_that_the_chain_forgot_lists_each_event_that_fulfilled_it(place: Place) {
        let sort = |command| vec![(0, 0, 0, 0, command)];
        let store = filled(&place, &[sort(Some(1)), sort(Some(2)), sort(None), sort(Some(1))]).await;
        let module = over(&store, 1);
        let params = json!([TENANT, STORE, CommandId([1; 16])]).to_string();
        let events = call(&module, "ves_eventsByCommand", &params).await.unwrap();
        assert_eq!((&events[0]["sequence"], &events[1]["sequence"], events.get(2)), (&json!(1), &json!(4), None));
        let params = json!([TENANT, STORE, CommandId([3; 16])]).to_string();
        assert_eq!(call(&module, "ves_eventsByCommand", &params).await, Ok(json!([])));
    }
}

#[tokio::test]
async fn a_history_says_that_a_cursor_is_of_an_older_version() {
    let folder = tempfile::tempdir().unwrap();
    let (_, module) = node(folder.path()).await;
    let ask = async |cursor: Value| {
        let params = json!([TENANT, STORE, "order", "o-1", cursor, 1]).to_string();
        call(&module, "ves_entityHistory", &params).await
    };
    let page = ask(Value::Null).await.unwrap();
    let text = page["cursor"].as_str().unwrap();
    assert_eq!(text.len(), 50);
    assert_eq!(ask(json!(text)).await.unwrap()["versions"][0]["version"], 2);
    // That one held no version.
    for other in [&text[..34], &format!("{text}00")] {
        let (code, reason) = ask(json!(other)).await.unwrap_err();
        assert_eq!(code, i64::from(INVALID_PARAMS_CODE));
        assert_eq!(reason, "cursor: of another version of the node");
    }
    // Whatever it claims, the answer is a page.
    let beyond = format!("{}{}", &text[..34], "f".repeat(16));
    assert_eq!(
        ask(json!(beyond)).await.unwrap()["versions"][0]["version"],
        u64::MAX
    );
}

#[tokio::test]
async fn a_cursor_fits_only_the_question_that_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let (_, module) = node(folder.path()).await;
    let ask = async |filter: Value, newest_first: bool, cursor: Value| {
        let params = json!([TENANT, STORE, filter, newest_first, cursor, 1]).to_string();
        call(&module, "ves_findEvents", &params).await
    };
    let page = ask(json!({}), false, Value::Null).await.unwrap();
    let cursor = page["cursor"].clone();
    let page = ask(json!({}), false, cursor.clone()).await.unwrap();
    assert_eq!(page["events"][0]["sequence"], 2);
    let other = [
        (json!({ "event_type": "x" }), false, cursor.clone()),
        (json!({}), true, cursor.clone()),
        (json!({}), false, json!("")),
        (json!({}), false, json!("zz")),
        (json!({}), false, json!("0".repeat(34))),
        (json!({}), false, json!("\u{e9}".repeat(17))),
    ];
    for (filter, newest_first, cursor) in other {
        let (code, text) = ask(filter, newest_first, cursor).await.unwrap_err();
        assert_eq!(code, i64::from(INVALID_PARAMS_CODE));
        assert!(text.starts_with("cursor: "), "{text}");
    }
    // Whatever place it names, the answer is a page.
    let text = cursor.as_str().unwrap();
    let beyond = json!(format!("{}{}", &text[..18], "f".repeat(16)));
    let page = ask(json!({}), false, beyond).await.unwrap();
    assert_eq!((&page["events"], page.get("cursor")), (&json!([]), None));
    let (code, text) = ask(json!({ "entity": "x" }), false, Value::Null)
        .await
        .unwrap_err();
    assert!(
        code == i64::from(INVALID_PARAMS_CODE) && text.starts_with("filter: "),
        "{text}"
    );
}

#[tokio::test]
async fn a_store_that_is_behind_says_so_instead_of_ending_a_walk() {
    let folder = tempfile::tempdir().unwrap();
    let (store, module) = node(folder.path()).await;
    let events = async |from: u64| {
        let params = json!([TENANT, STORE, from]).to_string();
        call(&module, "ves_events", &params).await
    };
    let not_yet = i64::from(NOT_INDEXED_YET);
    // Caught up: what is beyond the head is not there.
    for from in [4, 5, 400] {
        assert_eq!(events(from).await.unwrap()["events"], json!([]));
    }
    // One block behind: the next sequence is awaited, later ones are known to be somewhere.
    store.report_finalized(3, false);
    assert_eq!(events(4).await.unwrap()["head_sequence"], 3);
    assert_eq!(events(5).await.unwrap_err().0, not_yet);
    // Catching up: the head is no end.
    store.report_finalized(500, true);
    assert_eq!(events(4).await.unwrap_err().0, not_yet);
    assert_eq!(events(3).await.unwrap()["next_sequence"], 4);

    let find = async |cursor: Value, newest_first: bool| {
        let params = json!([TENANT, STORE, {}, newest_first, cursor]).to_string();
        call(&module, "ves_findEvents", &params).await
    };
    let page = find(Value::Null, false).await.unwrap();
    assert_eq!(page["events"].as_array().unwrap().len(), 3);
    let cursor = page["cursor"].clone();
    assert_eq!(find(cursor.clone(), false).await.unwrap_err().0, not_yet);
    assert_eq!(find(Value::Null, true).await.unwrap().get("cursor"), None);
    let unknown = json!([TENANT, StoreId([9; 16]), {}]).to_string();
    assert_eq!(
        call(&module, "ves_findEvents", &unknown)
            .await
            .unwrap_err()
            .0,
        not_yet
    );
    for (method, params) in [
        ("ves_entityHistory", json!([TENANT, STORE, "order", "o-1"])),
        ("ves_batches", json!([TENANT, STORE, 1])),
        ("ves_blockCommitment", json!([3])),
    ] {
        let (code, _) = call(&module, method, &params.to_string())
            .await
            .unwrap_err();
        assert_eq!(code, not_yet, "{method}");
    }
    store.report_finalized(2, false);
    assert_eq!(find(cursor, false).await.unwrap()["events"], json!([]));
}
