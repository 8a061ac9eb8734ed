// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::both::{Place, on_both_databases};
use ves_primitives::{CursorStatement, Signature, wire::AgentCursorJson};

fn statement(slot: u32, sequence: u64, revision: u64) -> CursorStatement {
    CursorStatement {
        genesis: GENESIS,
        tenant_id: TENANT,
        store_id: STORE,
        agent_id: AGENT,
        key_id: KeyId(1),
        slot,
        sequence,
        revision,
    }
}

fn signed(statement: &CursorStatement) -> AgentCursorJson {
    AgentCursorJson {
        slot: statement.slot,
        sequence: statement.sequence,
        revision: statement.revision,
        key_id: statement.key_id,
        signature: Signature(agent_key().sign(&statement.hash()).into()),
    }
}

async fn set(module: &RpcModule<()>, cursor: &AgentCursorJson) -> Result<Value, (i64, String)> {
    let params = json!([TENANT, STORE, AGENT, cursor]).to_string();
    call(module, "ves_setAgentCursor", &params).await
}

async fn stored(module: &RpcModule<()>) -> Value {
    let params = json!([TENANT, STORE, AGENT]).to_string();
    call(module, "ves_agentCursors", &params).await.unwrap()
}

/// Three events of the stream, in one block.
async fn three(place: &Place) -> (Store, RpcModule<()>) {
    let store = place.open().await;
    let block = Chain::default().block(&[(STORE, 3), (OTHER_STORE, 3)], "{}");
    store.append(&[prepared(block)]).await.unwrap();
    store.report_finalized(1, false);
    let module = over(&store, 1);
    (store, module)
}

on_both_databases! {
    async fn a_cursor_moves_by_its_agents_signature_and_outlives_the_node(place: Place) {
        let (store, module) = three(&place).await;
        assert_eq!(stored(&module).await, json!([]));
        let first = signed(&statement(0, 2, 10));
        assert_eq!(set(&module, &first).await, Ok(json!(first)));
        // The same again is no error; an agent may go back.
        assert_eq!(set(&module, &first).await, Ok(json!(first)));
        let back = signed(&statement(0, 1, 11));
        set(&module, &back).await.unwrap();
        let other = signed(&statement(7, 3, 1));
        set(&module, &other).await.unwrap();
        drop((store, module));
        let store = place.open().await;
        assert_eq!(stored(&over(&store, 1)).await, json!([back, other]));
    }

    async fn an_old_statement_does_not_move_a_cursor_back(place: Place) {
        let (_store, module) = three(&place).await;
        let old = signed(&statement(0, 1, 10));
        let new = signed(&statement(0, 3, 20));
        set(&module, &old).await.unwrap();
        set(&module, &new).await.unwrap();
        let params = json!([TENANT, STORE, AGENT, old]).to_string();
        let answer = raw_call(&module, "ves_setAgentCursor", &params).await;
        assert_eq!(answer["error"]["code"], codes::CURSOR_OUTDATED);
        assert_eq!(answer["error"]["data"], json!({ "name": "cursor_outdated", "revision": 20 }));
        let same_revision = signed(&statement(0, 2, 20));
        let (code, _) = set(&module, &same_revision).await.unwrap_err();
        assert_eq!(code, i64::from(codes::CURSOR_OUTDATED));
        assert_eq!(stored(&module).await, json!([new]));
    }

    async fn of_two_moves_at_a_time_the_later_revision_stays(place: Place) {
        let (store, _module) = three(&place).await;
        let moves = (1..=20u64).map(|revision| {
            let cursor = signed(&statement(3, revision % 4, revision));
            let store = store.clone();
            async move { store.move_cursor(TENANT, STORE, AGENT, &cursor).await.unwrap() }
        });
        futures::future::join_all(moves).await;
        let cursors = store.agent_cursors(TENANT, STORE, AGENT).await.unwrap();
        assert_eq!(cursors, [signed(&statement(3, 0, 20))]);
    }
}

#[tokio::test]
async fn nobody_moves_a_cursor_without_the_agents_key() {
    let place = Place::sqlite();
    let (_store, module) = three(&place).await;
    let good = statement(0, 2, 10);
    // Signed for another place, stream, agent, chain or number than it is sent for.
    let others = [
        CursorStatement {
            sequence: 1,
            ..good
        },
        CursorStatement {
            revision: 9,
            ..good
        },
        CursorStatement { slot: 1, ..good },
        CursorStatement {
            store_id: OTHER_STORE,
            ..good
        },
        CursorStatement {
            tenant_id: TenantId([2; 16]),
            ..good
        },
        CursorStatement {
            agent_id: AgentId([2; 16]),
            ..good
        },
        CursorStatement {
            genesis: ves_primitives::GenesisHash([1; 32]),
            ..good
        },
        CursorStatement {
            key_id: KeyId(2),
            ..good
        },
    ];
    for other in others {
        let forged = AgentCursorJson {
            signature: signed(&other).signature,
            ..signed(&good)
        };
        let params = json!([TENANT, STORE, AGENT, forged]).to_string();
        let answer = raw_call(&module, "ves_setAgentCursor", &params).await;
        assert_eq!(
            answer["error"]["code"],
            codes::CURSOR_UNAUTHORIZED,
            "{other:?}"
        );
        assert_eq!(answer["error"]["data"]["reason"], "invalid_signature");
    }
    let revoked = signed(&CursorStatement {
        key_id: KeyId(2),
        ..good
    });
    let (code, text) = set(&module, &revoked).await.unwrap_err();
    assert_eq!(code, i64::from(codes::CURSOR_UNAUTHORIZED));
    assert!(text.contains("agent_key_invalid"), "{text}");
    let params = json!([TENANT, STORE, AgentId([9; 16]), signed(&good)]).to_string();
    let (code, text) = call(&module, "ves_setAgentCursor", &params)
        .await
        .unwrap_err();
    assert!(
        code == i64::from(codes::CURSOR_UNAUTHORIZED) && text.contains("unknown_agent"),
        "{text}"
    );
    let params = json!([TENANT, OTHER_STORE, AGENT, signed(&good)]).to_string();
    let (code, _) = call(&module, "ves_setAgentCursor", &params)
        .await
        .unwrap_err();
    assert_eq!(code, i64::from(STATE_UNAVAILABLE));
    assert_eq!(stored(&module).await, json!([]));
}

#[tokio::test]
async fn an_agent_has_so_many_cursors_and_none_beyond_the_head() {
    let place = Place::sqlite();
    let (store, module) = three(&place).await;
    for (slot, sequence, revision) in [
        (8, 1, 1),
        (u32::MAX, 1, 1),
        (0, 4, 1),
        (0, u64::MAX, 1),
        (0, 1, u64::MAX),
    ] {
        let (code, text) = set(&module, &signed(&statement(slot, sequence, revision)))
            .await
            .unwrap_err();
        assert_eq!(code, i64::from(INVALID_PARAMS_CODE), "{text}");
        assert!(text.starts_with("cursor: "), "{text}");
    }
    store.report_finalized(2, false);
    let (code, _) = set(&module, &signed(&statement(0, 4, 1)))
        .await
        .unwrap_err();
    assert_eq!(code, i64::from(NOT_INDEXED_YET));
    let mut unknown = json!(signed(&statement(0, 1, 1)));
    unknown["note"] = "x".repeat(100).into();
    let params = json!([TENANT, STORE, AGENT, unknown]).to_string();
    let (code, _) = call(&module, "ves_setAgentCursor", &params)
        .await
        .unwrap_err();
    assert_eq!(code, i64::from(INVALID_PARAMS_CODE));
    assert_eq!(stored(&module).await, json!([]));
}
