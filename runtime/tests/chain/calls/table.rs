// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The table. A call that is new in the runtime gets a line here, and an example in `examples.rs`.
//!
//! A cell is `yes` if the call is carried out, `-` if it is refused for who makes it, `content` if its own
//! authorisation looked at it and refused what it carries, and else the name of the error it ends with. The
//! columns are explained at [`Who`].

use super::scene::Who;

const TABLE: &str = "
                                         network author agent   own  other admin relay validator member execute half two-thirds root
System.remark                            -       -      -       yes  yes   yes   yes   yes       yes    yes     yes  yes        yes
System.remark_with_event                 -       -      -       -    yes   yes   yes   yes       yes    -       -    -          -
System.set_heap_pages                    -       -      -       -    -     -     -     -         -      -       -    -          yes
System.set_code                          -       -      -       -    -     -     -     -         -      -       -    -          yes
System.set_code_without_checks           -       -      -       -    -     -     -     -         -      -       -    -          yes
System.set_storage                       -       -      -       -    -     -     -     -         -      -       -    -          yes
System.kill_storage                      -       -      -       -    -     -     -     -         -      -       -    -          yes
System.kill_prefix                       -       -      -       -    -     -     -     -         -      -       -    -          yes
System.authorize_upgrade                 -       -      -       -    -     -     -     -         -      -       -    -          yes
System.authorize_upgrade_without_checks  -       -      -       -    -     -     -     -         -      -       -    -          yes
System.apply_authorized_upgrade          yes     yes    -       yes  yes   yes   yes   yes       yes    yes     yes  yes        yes

Timestamp.set                            -       yes    -       -    -     -     -     -         -      -       -    -          -

Grandpa.report_equivocation              -       -      -       -    yes   yes   yes   yes       yes    -       -    -          -
Grandpa.report_equivocation_unsigned     -       yes    -       -    -     -     -     -         -      -       -    -          -
Grandpa.note_stalled                     -       -      -       -    -     -     -     -         -      -       -    -          yes

Session.set_keys                         -       -      -       -    InvalidProof InvalidProof InvalidProof yes InvalidProof - - - -
Session.purge_keys                       -       -      -       -    -     -     -     -         -      -       -    -          -

Council.set_members                      -       -      -       -    -     -     -     -         -      -       -    -          yes
Council.execute                          -       -      -       -    -     -     -     -         yes    -       -    -          -
Council.propose                          -       -      -       -    -     -     -     -         yes    -       -    -          -
Council.vote                             -       -      -       -    -     -     -     -         yes    -       -    -          -
Council.disapprove_proposal              -       -      -       -    -     -     -     -         -      -       -    -          yes
Council.close                            -       -      -       -    yes   yes   yes   yes       yes    -       -    -          -
Council.kill                             -       -      -       -    -     -     -     -         -      -       -    -          yes
Council.release_proposal_cost            -       -      -       -    yes   yes   yes   yes       yes    -       -    -          yes

Utility.batch                            -       -      -       yes  yes   yes   yes   yes       yes    yes     yes  yes        yes
Utility.as_derivative                    -       -      -       -    yes   yes   yes   yes       yes    -       -    -          -
Utility.batch_all                        -       -      -       yes  yes   yes   yes   yes       yes    yes     yes  yes        yes
Utility.dispatch_as                      -       -      -       -    -     -     -     -         -      -       -    -          yes
Utility.force_batch                      -       -      -       yes  yes   yes   yes   yes       yes    yes     yes  yes        yes
Utility.with_weight                      -       -      -       -    -     -     -     -         -      -       -    -          yes
Utility.if_else                          -       -      -       yes  yes   yes   yes   yes       yes    yes     yes  yes        yes
Utility.dispatch_as_fallible             -       -      -       -    -     -     -     -         -      -       -    -          yes

Consortium.add_validator                 -       -      -       -    -     -     -     -         -      -       -    yes        -
Consortium.remove_validator              -       -      -       -    -     -     -     -         -      -       -    yes        -
Consortium.reinstate_validator           -       -      -       -    -     -     -     -         -      -       -    yes        -
Consortium.set_council                   -       -      -       -    -     -     -     -         -      -       -    yes        -
Consortium.authorize_upgrade             -       -      -       -    -     -     -     -         -      -       -    yes        -
Consortium.recover_finality              -       -      -       -    -     -     -     -         -      -       -    yes        -
Consortium.report_double_block           -       -      yes     yes  -     -     -     -         -      -       -    -          -

AgentRegistry.register_tenant            -       -      -       -    -     -     -     -         -      -       -    yes        yes
AgentRegistry.set_tenant_suspended       -       -      -       -    -     -     -     -         -      -       -    yes        yes
AgentRegistry.register_store             -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.register_agent             -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.set_agent_suspended        -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.register_signing_key       -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.register_encryption_key    -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.revoke_signing_key         -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.revoke_encryption_key      -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.rotate_signing_key         -       -      yes     yes  -     -     -     -         -      -       -    -          -
AgentRegistry.set_key_policy             -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.set_tenant_quota           -       -      -       -    -     -     -     -         -      -       -    yes        yes
AgentRegistry.set_agent_quota            -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.propose_tenant_admin       -       -      -       -    -     yes   -     -         -      -       -    yes        yes
AgentRegistry.accept_tenant_admin        -       -      -       -    yes   -     -     -         -      -       -    -          -
AgentRegistry.cancel_tenant_admin        -       -      -       -    -     yes   -     -         -      -       -    yes        yes
AgentRegistry.create_group               -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.set_group_member           -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.remove_group_member        -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.dissolve_group             -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.register_schema            -       -      -       -    -     yes   -     -         -      -       -    -          -
AgentRegistry.set_schema_status          -       -      -       -    -     yes   -     -         -      -       -    -          -

VesSequencer.submit_events               -       -      yes     yes  -     -     -     -         -      -       -    -          -
VesSequencer.set_relays                  -       -      -       -    -     -     -     -         -      -       -    yes        yes
VesSequencer.note_anchored               -       -      -       -    -     -     yes   -         -      -       -    -          -

StarkVerifier.submit_proof               -       -      content yes  -     -     -     -         -      -       -    -          -
StarkVerifier.submit_batch_proof         -       -      content yes  -     -     -     -         -      -       -    -          -
StarkVerifier.set_circuit_enabled        -       -      -       -    -     -     -     -         -      -       -    yes        yes
";

/// What happens when a call is made, by each of [`Who::ALL`].
pub(super) struct Row {
    pub(super) call: String,
    pub(super) cells: Vec<String>,
}

/// The lines of the table.
pub(super) fn rows() -> Vec<Row> {
    let mut lines = TABLE.lines().filter(|line| !line.is_empty());
    let head: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(head, Who::ALL.map(Who::name), "the head of the table");
    lines
        .map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let row = Row {
                call: words.next().unwrap(),
                cells: words.collect(),
            };
            assert_eq!(row.cells.len(), Who::ALL.len(), "{}", row.call);
            row
        })
        .collect()
}
