// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Two agents at one order: who was slower decides with a person's word, through tools only.

import { claim, ensure, same } from '../polkadotjs/harness.mjs';
import { connect } from './clients.mjs';

/** Pushes everything that is due, if anything is; all of it must become final. */
async function push(agent) {
  const { token, count } = await agent.good('ves_push_prepare');
  if (!token) return [];
  const pushed = await agent.good('ves_push_commit', { token });
  same('finalized', pushed.finalized, count);
  return pushed.events;
}

export async function conflicts(revision, { ann, bob }) {
  const name = (text) => `${revision}: ${text}`;
  const entity = `conflict-${revision}`;
  const change = (base_version, payload) => ({
    entity_type: 'order',
    entity_id: entity,
    event_type: 'order.updated',
    base_version,
    payload,
  });
  let say;
  const questions = [];
  const answer = (params) => (questions.push(params.message), say);
  const faster = await connect(revision, ann, ['--allow-write']);
  const slower = await connect(revision, bob, ['--allow-admin'], { answer });
  await faster.tools();
  await slower.tools();
  let mine, listed, shown;

  await claim(name('an event on an entity that has moved on is held and listed'), async () => {
    await push(faster);
    await faster.good('ves_event_append', change(0, { status: 'new', note: 'one' }));
    await push(faster);
    await slower.good('ves_pull');
    ({ event_id: mine } = await slower.good('ves_event_append', change(1, { note: 'two' })));
    await faster.good('ves_event_append', change(1, { status: 'paid' }));
    await push(faster);
    await slower.good('ves_pull');
    ({ conflicts: listed } = await slower.good('ves_conflicts_list'));
    const found = listed.find((conflict) => conflict.entity_id === entity);
    same('cause', found?.cause, 'moved_on');
    same('versions', `${found.base_version} ${found.remote_version}`, '1 2');
    same('suggested', found.suggested_strategy, 'merge');
    return `version 1, the chain has 2`;
  });
  await claim(name('a preview shows each field, and who may not decide gets no token'), async () => {
    const asked = { event_id: mine, strategy: 'merge' };
    for (const flags of [[], ['--allow-write']]) {
      const reader = await connect(revision, bob, flags);
      await reader.tools();
      same('token', (await reader.good('ves_conflict_preview', asked)).token, null);
      const refused = await reader.refused((client) => client.callTool({ name: 'ves_conflict_resolve', arguments: {} }));
      same('code', refused.code, -32602);
      ensure(refused.data.hint.includes('--allow-admin'), refused.data.hint);
      await reader.close();
    }
    shown = await slower.good('ves_conflict_preview', asked);
    const [event] = shown.conflict.events;
    same('payload', JSON.stringify(event.payload), '{"note":"two"}');
    const note = event.fields.find((field) => field.path === 'note');
    same('field', `${note.base} ${note.remote} ${note.local} ${note.result}`, 'one one two two');
    same('clashes', JSON.stringify(shown.conflict.clashes), '[]');
    ensure(shown.provenance.treat_as.startsWith('data'), 'not marked as data');
    return `${event.fields.length} fields, no clash`;
  });
  await claim(name('a no of the person decides nothing, nor does a token of another tool'), async () => {
    say = { action: 'decline' };
    same('no', (await slower.call('ves_conflict_resolve', { token: shown.token })).code, 'not_confirmed');
    same('other', (await slower.call('ves_push_commit', { token: shown.token })).code, 'token_mismatch');
    same('invented', (await slower.call('ves_conflict_resolve', { token: '00'.repeat(32) })).code, 'token_unknown');
    const { conflicts: still } = await slower.good('ves_conflicts_list');
    ensure(still.some((conflict) => conflict.entity_id === entity), 'it is decided');
    return questions.at(-1);
  });
  await claim(name('a yes decides what was shown, once, and the next push sends it'), async () => {
    say = { action: 'accept', content: { confirm: true } };
    const other = await slower.good('ves_conflict_preview', { strategy: 'remote_wins' });
    const decided = await slower.good('ves_conflict_resolve', { token: shown.token });
    ensure(decided.conflict.resolved, 'not resolved');
    same('again', (await slower.call('ves_conflict_resolve', { token: shown.token })).code, 'token_spent');
    same('outdated', (await slower.call('ves_conflict_resolve', { token: other.token })).code, 'approval_stale');
    const replacement = decided.conflict.events[0].replacement_id;
    const events = await push(slower);
    ensure(events.some((event) => event.event_id === replacement), 'the replacement was not sent');
    const { conflicts: left } = await slower.good('ves_conflicts_list');
    ensure(!left.some((conflict) => conflict.entity_id === entity), 'still in conflict');
    return `replaced by ${replacement.slice(0, 8)}`;
  });
  await faster.close();
  await slower.close();
}

/** Limits of value, which a new server keeps. */
export async function values(revision, { ann, bob }) {
  const name = (text) => `${revision}: ${text}`;
  const order = (total, more = {}) => ({
    entity_type: 'order',
    entity_id: `value-${revision}-${total}`,
    event_type: 'order.created',
    payload: { total, currency: `X${revision.slice(0, 4)}`, ...more },
  });
  // A currency of this run's own: what other claims pushed does not count.
  const code = `X${revision.slice(0, 4)}`;
  const limited = (...flags) => connect(revision, ann, ['--allow-write', ...flags]);

  await claim(name('a push over the limit of value is refused in its first step and sends nothing'), async () => {
    const server = await limited('--max-push-value', `${code}=10.00`);
    await server.tools();
    const { event_id: small } = await server.good('ves_event_append', order('4.00'));
    const { event_id: large } = await server.good('ves_event_append', order('6.01'));
    const over = await server.call('ves_push_prepare', { event_ids: [small, large] });
    same('code', over.code, 'value_limit_reached');
    ensure(over.error.message.includes('--max-push-value'), over.error.message);
    const part = await server.good('ves_push_prepare', { event_ids: [small] });
    same('value', part.values[code], '4.00');
    await server.good('ves_push_commit', { token: part.token });
    await server.close();
    return over.error.message;
  });
  await claim(name('the limit of an hour outlives the server'), async () => {
    const one = await limited('--max-value-per-hour', `${code}=10.00`);
    const { events } = await one.good('ves_outbox_list', { state: 'queued', limit: 1 });
    const left = await one.good('ves_push_prepare', { event_ids: [events[0].event_id] });
    same('value', left.values[code], '6.01');
    await one.good('ves_push_commit', { token: left.token });
    const { event_id: more } = await one.good('ves_event_append', order('4.00'));
    await one.close();
    const other = await limited('--max-value-per-hour', `${code}=10.00`);
    const { token } = await other.good('ves_push_prepare', { event_ids: [more] });
    const over = await other.call('ves_push_commit', { token });
    same('code', over.code, 'value_limit_reached');
    const queued = await other.good('ves_outbox_list', { state: 'queued', limit: 1 });
    same('kept', queued.events[0].event_id, more);
    await other.close();
    return over.error.message;
  });
  await claim(name('what a limited server cannot read it does not push'), async () => {
    const server = await limited('--max-push-value', `${code}=1000`);
    const hidden = { ...order('1.00'), encrypt_to: [bob.id] };
    const { event_id: secret } = await server.good('ves_event_append', hidden);
    const unread = await server.call('ves_push_prepare', { event_ids: [secret] });
    same('encrypted', unread.code, 'value_unreadable');
    const { event_id: foreign } = await server.good('ves_event_append', order('1.00', { currency: 'EUR' }));
    const other = await server.call('ves_push_prepare', { event_ids: [foreign] });
    same('another currency', other.code, 'value_limit_reached');
    await server.close();
    return unread.error.hint;
  });
}
