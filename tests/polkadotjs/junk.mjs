// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Bad input, the same for the same seed.

/** Marsaglia's xorshift32: small, and the same on every machine. */
export class Random {
  constructor(seed) {
    this.state = seed >>> 0 || 1;
  }

  next() {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state;
  }

  below(limit) {
    return this.next() % limit;
  }

  bytes(length) {
    return Uint8Array.from({ length }, () => this.next() >>> 24);
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}

const concat = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));

/** SCALE's compact form of a length. */
export function compact(length) {
  if (length < 64) return Uint8Array.of(length << 2);
  if (length < 1 << 14) return Uint8Array.of((length << 2) | 1, length >> 6);
  return Uint8Array.of(((length << 2) | 2) & 0xff, length >> 6, length >> 14, length >> 22);
}

const prefixed = (bytes) => concat(compact(bytes.length), bytes);

/** Lengths that nothing can have: the longest of each compact form, and a malformed one. */
const IMPOSSIBLE = [
  [0xfe, 0xff, 0xff, 0xff],
  [0x03, 0xff, 0xff, 0xff, 0xff],
  [0x13, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff],
  [0xfd, 0xff],
];

/** One way to spoil bytes. */
export function spoiled(random, bytes) {
  const at = random.below(bytes.length);
  const [before, after] = [bytes.slice(0, at), bytes.slice(at)];
  const flip = () => concat(before, [bytes[at] ^ (1 << random.below(8))], after.slice(1));
  const ways = [
    // Several times: what keeps its length gets furthest.
    ...[flip, flip, flip, flip, flip, flip],
    () => before,
    () => concat(bytes, random.bytes(1 + random.below(64))),
    () => concat(before, random.bytes(1), after.slice(1)),
    () => concat(before, random.bytes(1 + random.below(8)), after),
    () => concat(before, after.slice(1 + random.below(8))),
    () => concat(before, before.slice(-16), after),
    () => concat(before, random.pick(IMPOSSIBLE), after.slice(1)),
    () => concat(before, new Uint8Array(after.length)),
    () => concat(before, random.bytes(after.length)),
  ];
  return random.pick(ways)();
}

/**
 * Extrinsics that nobody may submit: noise of every kind of transaction, and valid ones spoiled in
 * one or two places, mostly with a length that fits, so that they get past the first look.
 */
export function* badExtrinsics(random, valid, count) {
  const KINDS = [0x45, 0x05, 0x04, 0x84, 0x85, 0xc5, 0x44, 0x00, 0xff];
  for (let n = 0; n < count; n += 1) {
    const kind = random.below(10);
    if (kind < 2) {
      yield random.bytes(random.below(400));
    } else if (kind < 4) {
      yield prefixed(concat([random.pick(KINDS)], random.bytes(random.below(600))));
    } else {
      const whole = random.pick(valid);
      const body = whole.slice(whole.length < 64 ? 1 : whole.length < 1 << 14 ? 2 : 4);
      let bad = spoiled(random, body);
      if (random.below(4) === 0 && bad.length > 0) bad = spoiled(random, bad);
      yield kind === 4 ? spoiled(random, whole) : prefixed(bad);
    }
  }
}

/** Arguments for a runtime API: noise of likely and unlikely lengths, and spoiled valid ones. */
export function* badArguments(random, valid, count) {
  const LENGTHS = [0, 1, 4, 16, 20, 32, 36, 40, 48, 52, 64, 200, 5_000, 300_000];
  for (let n = 0; n < count; n += 1) {
    const kind = random.below(4);
    if (kind === 0 && valid.length > 0) yield spoiled(random, random.pick(valid));
    else if (kind === 1) yield concat(random.pick(IMPOSSIBLE), random.bytes(random.below(100)));
    else if (kind === 2) yield new Uint8Array(random.pick(LENGTHS)).fill(random.pick([0, 0xff]));
    else yield random.bytes(random.pick(LENGTHS));
  }
}

const deep = (depth) => '['.repeat(depth) + ']'.repeat(depth);

/** JSON texts: no UUID among them, and few that are a number in range. */
export const JSON_JUNK = [
  ...['null', 'true', '-1', '0', '1.5', '1e308', '1e999', '-0', '9007199254740993'],
  ...['9223372036854775808', '18446744073709551615', '18446744073709551616', '1'.repeat(400)],
  ...['""', '"x"', '"\\u0000"', '"\\ud83d\\ude00"', '"\\ud83d"', '"0x"', '"NaN"', '"1"'],
  ...['"11111111-1111-4111-8111-11111111111"', '"{11111111-1111-4111-8111-111111111111}x"'],
  ...['"../../etc/passwd"', `"' OR 1=1 --"`, `"${'x'.repeat(3_000)}"`, `"${'x'.repeat(500_000)}"`],
  ...['[]', '[1]', '{}', '{"a":1}', deep(50), deep(2_000)],
];

/** Bodies that are no request; each must be answered as such. */
export const BAD_BODIES = [
  ...['', '{', 'null', '[]', '{}', '"x"', '5', '[1]', '\u0000', deep(10_000)],
  '{"jsonrpc":"1.0","id":1,"method":"ves_health"}',
  '{"jsonrpc":"2.0","id":1,"method":5}',
  '{"jsonrpc":"2.0","id":1,"method":"ves_nothing"}',
  '{"jsonrpc":"2.0","id":1,"method":"ves_head","params":"x"}',
  '{"jsonrpc":"2.0","id":1,"method":"ves_head","params":5}',
  `{"jsonrpc":"2.0","id":1,"method":"${'v'.repeat(100_000)}"}`,
  Uint8Array.of(0xff, 0xfe, 0xfd),
];
