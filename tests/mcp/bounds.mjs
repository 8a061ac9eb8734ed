// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// What a model cannot do.

import { claim, ensure, same } from '../polkadotjs/harness.mjs';
import { connect } from './clients.mjs';

const WRITING = [
  ...['ves_event_append', 'ves_push_prepare', 'ves_push_commit', 'ves_pull', 'ves_quarantine_recheck'],
  'ves_prove',
];
const CHANGING = ['ves_change_prepare', 'ves_change_commit', 'ves_conflict_resolve'];

const draft = (name) => ({
  entity_type: 'order',
  entity_id: name,
  event_type: 'order.created',
  payload: { total: '1.00' },
});

export async function bounds(revision, { ann, bob }) {
  const name = (text) => `${revision}: ${text}`;

  await claim(name('by default there are reading tools only, each fully described'), async () => {
    const reader = await connect(revision, bob);
    const tools = await reader.tools();
    for (const { name: tool, annotations, inputSchema, outputSchema, description } of tools) {
      ensure(annotations.readOnlyHint === true, `${tool} does not only read`);
      ensure(annotations.destructiveHint === false && annotations.idempotentHint === true, tool);
      ensure(typeof annotations.openWorldHint === 'boolean', `${tool}: open world is not stated`);
      ensure(inputSchema.additionalProperties === false && outputSchema.properties.schema, tool);
      ensure(description.length > 40, `${tool} is not described`);
    }
    const names = tools.map((tool) => tool.name);
    ensure(![...WRITING, ...CHANGING, 'ves_payload_decrypt'].some((tool) => names.includes(tool)), names);
    await reader.close();
    return `${names.length} tools`;
  });
  await claim(name('what is not allowed does not run, whatever the client calls'), async () => {
    const reader = await connect(revision, bob);
    for (const tool of [...WRITING, ...CHANGING, 'ves_payload_decrypt', 'ves_no_such_tool']) {
      const error = await reader.refused((client) => client.callTool({ name: tool, arguments: {} }));
      same(`${tool}`, error.code, -32602);
      ensure(/does not have|no such tool/.test(error.message), error.message);
    }
    await reader.close();
    return 'refused as errors of the protocol';
  });
  await claim(name('decrypting is allowed by entity type'), async () => {
    const narrow = await connect(revision, bob, ['--allow-decrypt=refund.*']);
    const { events } = await narrow.good('ves_inbox_list', { limit: 50 });
    const secret = events.find((event) => event.encrypted);
    const answer = await narrow.call('ves_payload_decrypt', { event_id: secret.event_id });
    same('code', answer.code, 'decryption_not_allowed');
    ensure(!JSON.stringify(answer).includes('7.50'), 'the payload is in the error');
    await narrow.close();
    return answer.error.hint;
  });
  await claim(name('arguments that do not fit are named, and nothing happens'), async () => {
    const writer = await connect(revision, ann, ['--allow-write']);
    const wrong = [
      ['ves_status', { offline: 'yes' }],
      ['ves_status', { ofline: true }],
      ['ves_outbox_list', { limit: 0 }],
      ['ves_outbox_list', { limit: 101 }],
      ['ves_event_get', { event_id: '--home=/etc' }],
      ['ves_event_get', {}],
      ['ves_event_append', { ...draft('x'), payload: 'text' }],
      ['ves_event_append', { ...draft('x'), encrypt_to: ['nobody'] }],
      ['ves_event_append', { ...draft('x'), home: '/tmp' }],
      ['ves_verify_inclusion', { leaf_hash: '0x00', leaf_index: 0, leaf_count: 1, path: [], events_root: '0x00' }],
      ['ves_push_commit', {}],
    ];
    for (const [tool, args] of wrong) {
      const answer = await writer.call(tool, args);
      same(`${tool} ${JSON.stringify(args)}`, answer.code, 'arguments_invalid');
      ensure(answer.error.hint.length > 0, `${tool}: no advice`);
    }
    const flags = await writer.good('ves_event_append', { ...draft('--node=ws://evil'), event_type: '--help' });
    const shown = await writer.good('ves_event_get', { event_id: flags.event_id });
    same('entity', shown.event.entity_id, '--node=ws://evil');
    await writer.close();
    return `${wrong.length} refused; a value that looks like a flag stays a value`;
  });
  await claim(name('too large a payload and too large arguments are refused by name'), async () => {
    const writer = await connect(revision, ann, ['--allow-write']);
    const sized = (bytes) => ({ ...draft('x'), payload: { note: 'x'.repeat(bytes) } });
    same('payload', (await writer.call('ves_event_append', sized(70_000))).code, 'payload_too_large');
    same('arguments', (await writer.call('ves_event_append', sized(2_000_000))).code, 'arguments_too_large');
    await writer.good('ves_status', { offline: true });
    await writer.close();
    return 'and the server goes on';
  });
  await claim(name('a token of another server is worth nothing'), async () => {
    const one = await connect(revision, ann, ['--allow-write']);
    const other = await connect(revision, ann, ['--allow-write']);
    const { token } = await one.good('ves_push_prepare');
    same('code', (await other.call('ves_push_commit', { token })).code, 'token_unknown');
    same('invented', (await other.call('ves_push_commit', { token: '00'.repeat(32) })).code, 'token_unknown');
    await one.close();
    await other.close();
    return 'unknown there';
  });
  await claim(name('a token expires'), async () => {
    const hasty = await connect(revision, ann, ['--allow-write', '--token-seconds', '1']);
    const { token } = await hasty.good('ves_push_prepare');
    await new Promise((done) => setTimeout(done, 1_100));
    same('code', (await hasty.call('ves_push_commit', { token })).code, 'token_expired');
    await hasty.close();
    return 'after its second';
  });
  await claim(name('a token is for what was shown, not for what came later'), async () => {
    const one = await connect(revision, ann, ['--allow-write']);
    const other = await connect(revision, ann, ['--allow-write']);
    const shown = await one.good('ves_push_prepare');
    const { event_id: later } = await one.good('ves_event_append', draft('later'));
    // Somebody else pushes one of the events in between.
    const { event_id: first } = shown.events[0];
    const part = await other.good('ves_push_prepare', { event_ids: [first] });
    same('part', part.count, 1);
    await other.good('ves_push_commit', { token: part.token });
    const stale = await one.call('ves_push_commit', { token: shown.token });
    same('stale', stale.code, 'approval_stale');
    const { token } = await one.good('ves_push_prepare', { event_ids: [later] });
    const pushed = await one.good('ves_push_commit', { token });
    same('pushed', pushed.events.map((event) => event.event_id).join(), later);
    await one.close();
    await other.close();
    return 'stale when one was pushed elsewhere; the rest waits';
  });
  await claim(name('writing is not administering'), async () => {
    const writer = await connect(revision, ann, ['--allow-write']);
    const names = (await writer.tools()).map((tool) => tool.name);
    ensure(WRITING.filter((tool) => tool !== 'ves_prove').every((tool) => names.includes(tool)), names);
    for (const tool of CHANGING) {
      ensure(!names.includes(tool), `${tool} is listed`);
      const error = await writer.refused((client) => client.callTool({ name: tool, arguments: {} }));
      ensure(error.data.hint.includes('--allow-admin'), JSON.stringify(error));
    }
    await writer.close();
    return `without ${CHANGING.join(', ')}`;
  });
  await claim(name('a push has its limit of events'), async () => {
    const narrow = await connect(revision, ann, ['--allow-write', '--max-push-events', '1']);
    await narrow.good('ves_event_append', draft('one'));
    await narrow.good('ves_event_append', draft('two'));
    const shown = await narrow.good('ves_push_prepare');
    ensure(shown.count === 1 && shown.has_more, `${shown.count} events`);
    const ids = (await narrow.good('ves_outbox_list', { state: 'queued', limit: 2 })).events;
    const two = await narrow.call('ves_push_prepare', { event_ids: ids.map((event) => event.event_id) });
    same('two by name', two.code, 'too_many_events');
    await narrow.close();
    return 'one is shown, and that there are more';
  });
  await claim(name('the limit of an hour is shared by servers and outlives them'), async () => {
    const limited = (most) =>
      connect(revision, ann, ['--allow-write', '--max-push-events', '1', '--max-events-per-hour', `${most}`]);
    const push = async (server) => {
      const { token } = await server.good('ves_push_prepare');
      return server.call('ves_push_commit', { token });
    };
    // What went out in this run already counts, whichever server pushed it.
    const none = await limited(0);
    const refused = await push(none);
    same('none', refused.code, 'limit_reached');
    const sent = Number(/^(\d+) events went out/.exec(refused.error.message)[1]);
    ensure(sent > 0, refused.error.message);
    await none.close();

    const first = await limited(sent + 1);
    const second = await limited(sent + 1);
    const pushed = await push(first);
    ensure(!pushed.isError, pushed.error?.message);
    same('the first, again', (await push(first)).code, 'limit_reached');
    same('the second', (await push(second)).code, 'limit_reached');
    await first.close();
    await second.close();
    const anew = await limited(sent + 1);
    same('a new one', (await push(anew)).code, 'limit_reached');
    await anew.close();
    const wider = await limited(sent + 2);
    ensure(!(await push(wider)).isError, 'what was refused is counted');
    await wider.close();
    return `${sent} before, one more by one of two servers, then none`;
  });
  await claim(name('a person who can be asked is asked, and a no is a no'), async () => {
    const questions = [];
    let say = { action: 'decline' };
    const answer = (params) => (questions.push(params.message), say);
    const asked = await connect(revision, ann, ['--allow-write'], { answer });
    await asked.good('ves_event_append', draft('asked'));
    const { token, events } = await asked.good('ves_push_prepare');
    same('no', (await asked.call('ves_push_commit', { token })).code, 'not_confirmed');
    say = { action: 'accept', content: { confirm: false } };
    same('no box', (await asked.call('ves_push_commit', { token })).code, 'not_confirmed');
    say = { action: 'accept', content: { confirm: true } };
    const pushed = await asked.good('ves_push_commit', { token });
    same('pushed', pushed.finalized, events.length);
    same('questions', questions.length, 3);
    await asked.close();
    return questions[0];
  });
  await claim(name('with --confirm always a client that cannot ask is refused'), async () => {
    const strict = await connect(revision, ann, ['--allow-write', '--confirm', 'always']);
    await strict.good('ves_event_append', draft('strict'));
    const { token } = await strict.good('ves_push_prepare');
    same('code', (await strict.call('ves_push_commit', { token })).code, 'not_confirmed');
    await strict.close();
    return 'not_confirmed';
  });
  await claim(name('keys and groups change in two steps too'), async () => {
    const admin = await connect(revision, ann, ['--allow-admin', '--dev-admin']);
    await admin.tools();
    const group_id = crypto.randomUUID();
    for (const change of [
      { kind: 'create_group', group_id },
      { kind: 'add_group_member', group_id, agent_id: bob.id },
      { kind: 'rotate_signing_key', grace_seconds: 600 },
    ]) {
      const shown = await admin.good('ves_change_prepare', { change });
      same('push token', (await admin.call('ves_push_commit', { token: shown.token })).code, 'token_mismatch');
      await admin.good('ves_change_commit', { token: shown.token });
      same('again', (await admin.call('ves_change_commit', { token: shown.token })).code, 'token_spent');
    }
    const group = await admin.good('ves_groups_list', { group_id });
    same('member', group.members[0].member.agent_id, bob.id);
    await admin.close();
    return `${group.members.length} member, a new signing key`;
  });
}
