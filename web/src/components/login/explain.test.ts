import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { explain, inOrder } from './explain';
import {
  type AuthEvent,
  addressOf,
  FACTORS,
  loginOf,
  mark,
  OUTCOMES,
  REASON_GROUPS,
  REASONS,
  type Reason,
  STAGES,
  shownClient,
} from './words';

interface Enumeration {
  oneOf: { const: string }[];
}
const { schemas } = JSON.parse(readFileSync('../controlplane/openapi.json', 'utf8')).components as {
  schemas: Record<string, Enumeration>;
};
const every = (name: string) => schemas[name]?.oneOf.map((one) => one.const) ?? [];

const TABLE = readFileSync('../docs/src/troubleshooting.md', 'utf8');

function event(over: Partial<AuthEvent> = {}): AuthEvent {
  return {
    id: '00000000000000000000000000000001',
    at_ms: 1,
    node: 'one',
    revision: 3,
    integration: 'radius_server_auto',
    ikey: 'DI',
    authenticator: 'ad_client',
    client: '192.0.2.1:1024',
    user: 'alice',
    outcome: 'reject',
    reason: 'denied',
    factor: 'push',
    elapsed_us: 7,
    timeline: [],
    ...over,
  };
}

describe('every word of the API has words here', () => {
  it('has a document with the enumerations', () => {
    expect(every('Reason').length).toBeGreaterThan(35);
    expect(every('Stage')).toContain('preauth');
  });

  it.each(every('Reason'))('reason %s is explained', (reason) => {
    const said = explain(event({ reason: reason as Reason }));
    expect(said.why.length).toBeGreaterThan(20);
    expect(said.why).toMatch(/[.]$/);
    expect(said.why).not.toContain('for the reason');
    expect(said.why).not.toMatch(/undefined|null/);
    expect(said.next ?? 'None.').toMatch(/[.?)]$/);
    expect(REASONS[reason as Reason]).toBeTruthy();
    // The documentation explains it too.
    expect(TABLE).toContain(`\`${reason}\``);
  });

  it('names what to do wherever nobody was let in', () => {
    for (const reason of every('Reason') as Reason[]) {
      if (['approved', 'passcodes_sent'].includes(reason)) continue;
      expect(explain(event({ reason })).next, reason).not.toBeNull();
    }
  });

  it('names the options that the documentation names', () => {
    for (const line of TABLE.split('\n')) {
      const [, reasons, , todo] = line.split('|').map((cell) => cell.trim());
      if (!reasons || !todo) continue;
      for (const [, reason] of reasons.matchAll(/`([a-z_]+)`/g)) {
        if (!every('Reason').includes(reason ?? '')) continue;
        const said = explain(event({ reason: reason as Reason, factor: undefined }));
        for (const [, option] of todo.matchAll(/`([a-z]+_[a-z_]+)(?:=[a-z]+)?`/g)) {
          // Metrics are for whoever reads metrics; names of integrations come from the event.
          if (/^countersign_|^radius_server|^service_account/.test(option ?? '')) continue;
          expect(`${said.why} ${said.next}`, `${reason}`).toContain(option);
        }
      }
    }
  });

  it('sorts each reason into one group', () => {
    const sorted = REASON_GROUPS.flatMap(({ items }) => items);
    expect(sorted.toSorted()).toEqual(every('Reason').toSorted());
  });

  it('knows outcomes, factors and stages', () => {
    expect(Object.keys(OUTCOMES).toSorted()).toEqual(every('Outcome').toSorted());
    expect(Object.keys(FACTORS).toSorted()).toEqual(every('Factor').toSorted());
    expect(Object.keys(STAGES).toSorted()).toEqual(every('Stage').toSorted());
  });
});

describe('what is said', () => {
  it('fills in user, primary and factor', () => {
    expect(explain(event()).why).toBe(
      'alice was rejected: the password was right, but the push was denied, by the person or by the service.',
    );
    expect(explain(event({ reason: 'primary_unavailable' })).why).toContain('the directory of ad_client');
    expect(explain(event({ reason: 'wrong_password', authenticator: 'radius_client2' })).why).toContain(
      'the RADIUS server of radius_client2',
    );
    expect(explain(event({ reason: 'wrong_password', authenticator: undefined })).why).toContain(
      'the primary refused',
    );
  });

  it('keeps a name apart that reads like the sentence', () => {
    expect(explain(event({ user: 'bob was let in' })).why).toMatch(/^“bob was let in” was rejected/);
    expect(explain(event({ user: undefined, reason: 'bad_request' })).why).toMatch(/^The request/);
    expect(explain(event({ user: 'EXAMPLE\\bob@example.com' })).why).toMatch(/^EXAMPLE\\bob@example.com was/);
  });

  it('tells a passcode that is asked for again from a denied push', () => {
    expect(explain(event({ outcome: 'challenge', factor: 'passcode' })).why).toContain('asked for it again');
    expect(explain(event({ factor: 'passcode' })).why).toContain('the passcode was refused');
  });

  it('quotes the step that decided', () => {
    const timeline: AuthEvent['timeline'] = [
      { stage: 'packet', at_us: 0, elapsed_us: 0, detail: 'Access-Request' },
      { stage: 'primary', at_us: 1, elapsed_us: 2, detail: 'no answer: 192.0.2.9:1812 is silent' },
      { stage: 'answer', at_us: 3, elapsed_us: 0, detail: 'Access-Reject' },
    ];
    expect(explain(event({ reason: 'primary_unavailable', timeline })).evidence).toEqual({
      stage: 'primary',
      detail: 'no answer: 192.0.2.9:1812 is silent',
    });
    expect(explain(event({ reason: 'approved', outcome: 'accept', timeline })).evidence).toBeNull();
    expect(explain(event({ reason: 'denied', timeline })).evidence).toBeNull();
  });

  it('has words for a reason that is newer than the page', () => {
    expect(explain(event({ reason: 'brand_new' as Reason })).why).toContain('brand_new');
  });
});

describe('marks, addresses and order', () => {
  it('marks who was let in on the password alone, and nobody else', () => {
    expect(mark(event({ outcome: 'accept', reason: 'fail_mode_safe' }))?.word).toBe('fail mode');
    expect(mark(event({ outcome: 'accept', reason: 'primary_only' }))?.word).toBe('primary only');
    expect(mark(event({ outcome: 'accept', reason: 'approved' }))).toBeNull();
    expect(mark(event({ outcome: 'reject', reason: 'primary_only' }))).toBeNull();
  });

  it.each([
    ['192.0.2.1:1024', '192.0.2.1'],
    ['[2001:db8::1]:1024', '2001:db8::1'],
    ['[::ffff:192.0.2.1]:1', '192.0.2.1'],
  ])('the address of %s is %s', (client, want) => expect(addressOf(client)).toBe(want));

  it('says test for a test', () => {
    expect(shownClient(event({ test: true, client: '0.0.0.0:0' }))).toBe('test');
    expect(shownClient(event({ test: true, client: '192.0.2.7:0' }))).toBe('test as 192.0.2.7');
    expect(shownClient(event())).toBe('192.0.2.1');
  });

  it('puts the first request first, whatever the clocks say', () => {
    const first = { event: event({ id: 'a', at_ms: 100 }) };
    const second = { event: event({ id: 'b', first: 'a', at_ms: 50 }) };
    const third = { event: event({ id: 'c', first: 'a', at_ms: 60 }) };
    expect(inOrder([third, second, first]).map((one) => one.event.id)).toEqual(['a', 'b', 'c']);
    expect(loginOf(second.event)).toBe('a');
  });
});
