// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How much may be sequenced for whom.

use super::pool;
use crate::mock::*;
use polkadot_sdk::{
    frame_support::assert_ok, sp_runtime::transaction_validity::InvalidTransaction,
};
use ves_primitives::{limits, registry::Quota, sequencer::Rejection};

fn of_events(events: u32) -> Option<Quota> {
    Some(Quota {
        events,
        payload_bytes: u64::MAX,
    })
}

fn limit_agent(quota: Option<Quota>) {
    let admin = RuntimeOrigin::signed(ADMIN);
    assert_ok!(Registry::set_agent_quota(admin, TENANT, AGENT, quota));
}

fn limit_tenant(quota: Option<Quota>) {
    assert_ok!(Registry::set_tenant_quota(
        RuntimeOrigin::root(),
        TENANT,
        quota
    ));
}

#[test]
fn an_agent_has_no_more_sequenced_than_its_quota_until_the_next_window() {
    chain(|| {
        limit_agent(of_events(2));
        submit(&[event(1), event(2), event(3)]);
        assert_eq!(sequenced(), [1, 2]);
        assert_eq!(only_rejection(), Rejection::AgentQuotaExhausted);
        let code = Rejection::AgentQuotaExhausted.pool_code();
        assert_eq!(
            pool::pool(&[event(3)]),
            Err(InvalidTransaction::Custom(code).into())
        );
        skip_to_block(limits::EVENT_QUOTA_WINDOW_BLOCKS.into());
        submit(&[event(3)]);
        assert_eq!(sequenced(), [3]);
    });
}

#[test]
fn a_tenants_quota_holds_for_all_its_agents_together() {
    chain(|| {
        limit_tenant(of_events(1));
        submit(&[event(1), event(2)]);
        assert_eq!(sequenced(), [1]);
        assert_eq!(only_rejection(), Rejection::TenantQuotaExhausted);
    });
}

#[test]
fn payload_bytes_count_too() {
    chain(|| {
        let size = event(1).payload.len() as u64;
        limit_agent(Some(Quota {
            events: u32::MAX,
            payload_bytes: 2 * size + 1,
        }));
        submit(&[event(1), event(2), event(3)]);
        assert_eq!(sequenced(), [1, 2]);
        assert_eq!(only_rejection(), Rejection::AgentQuotaExhausted);
    });
}

#[test]
fn junk_behind_a_good_event_is_at_its_authors_expense() {
    chain(|| {
        limit_agent(of_events(4));
        let mut forged = event(2);
        forged.envelope.agent_signature.0[5] ^= 1;
        submit(&[event(1), forged.clone(), forged]);
        let (_, used) = Sequencer::usage(TENANT, AGENT);
        assert_eq!(used.events, 3);
        submit(&[event(4), event(5)]);
        assert_eq!(sequenced(), [1, 2], "one was left");
    });
}

#[test]
fn replays_cost_nothing() {
    chain(|| {
        submit(&[event(1)]);
        submit(&[event(1), event(1)]);
        let (tenant, agent) = Sequencer::usage(TENANT, AGENT);
        assert_eq!((tenant.events, agent.events), (1, 1));
    });
}

#[test]
fn the_pool_prefers_who_has_asked_for_less() {
    chain(|| {
        limit_agent(of_events(10));
        let before = pool::pool(&[event(1)]).expect("admitted").priority;
        submit(&[event(1), event(2), event(3)]);
        let after = pool::pool(&[event(4)]).expect("admitted").priority;
        assert_eq!((before, after), (1_000, 700));
    });
}
