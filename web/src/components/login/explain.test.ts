import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { explain, failedStep, inOrder } from './explain';
import { namesOf, type Person, refusalOf, shellWord } from './person';
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
  reasonOf,
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

describe('a second factor that refuses the user', () => {
  const said = (detail: string): AuthEvent =>
    event({
      reason: 'second_factor_refused',
      user: 'mallory',
      factor: undefined,
      authenticator: 'duo_only_client',
      timeline: [{ stage: 'preauth', at_us: 1, elapsed_us: 2, detail: `deny: ${detail}` }],
    });
  const is = (state: Person['is'], name = 'mallory'): Person => ({ is: state, name });

  it('is told apart by the words that the built-in one has', () => {
    const words = ['service/preauth.rs', 'verdict.rs'].flatMap((file) => {
      const source = readFileSync(`../secondfactor/src/${file}`, 'utf8');
      return [...source.matchAll(/const (NOT_ENROLLED|LOCKED_OUT|DISABLED): &str =\s*"([^"]+)"/g)];
    });
    const told = Object.fromEntries(words.map(([, name, text]) => [name, refusalOf(said(text ?? ''))]));
    expect(told).toEqual({ NOT_ENROLLED: 'unknown', LOCKED_OUT: 'locked', DISABLED: 'disabled' });
    expect(refusalOf(said('Access denied.'))).toBe('other');
  });

  it('does not know the user: says so, and how to add them', () => {
    const { why, next, atUser } = explain(said('Your account is not enrolled.'), is('nobody'));
    expect(why).toBe(
      'mallory was rejected: no password is checked here (duo_only_client), and the second factor does not know this user.',
    );
    expect(next).toContain('Add mallory under Second factor, or with: countersign factor add mallory.');
    expect(atUser).toBe(true);
  });

  it('knows the user without a device, or by now with one', () => {
    const bare = explain(said('Your account is not enrolled.'), is('bare', 'mallory'));
    expect(bare.why).toContain('knows no device of this user');
    expect(bare.next).toContain('countersign factor enroll mallory');
    expect(explain(said('Your account is not enrolled.'), is('ready')).next).toContain('try again');
    expect(explain(said('Your account is not enrolled.'), is('unread')).why).toContain('or no device');
  });

  it('has disabled the user, or locked them out', () => {
    expect(explain(said('Your account is disabled.'), is('ready')).next).toContain(
      'countersign factor set-status mallory active',
    );
    expect(explain(said('Your account is locked after too many.'), is('ready')).next).toContain(
      'countersign factor unlock mallory',
    );
  });

  it('is another one than the built-in: no command is named that has nothing to say there', () => {
    for (const detail of ['Your account is not enrolled.', 'Access denied.']) {
      const { next, atUser } = explain(said(detail));
      expect(next).not.toContain('countersign factor');
      expect(atUser).toBe(false);
    }
  });

  it('leads to no user where the service is at fault', () => {
    expect(explain(event({ reason: 'second_factor_unavailable' }), is('ready')).atUser).toBe(false);
  });

  it.each([
    ['alice', ['alice']],
    ['EXAMPLE\\alice', ['EXAMPLE\\alice', 'alice']],
    ['alice@example.com', ['alice@example.com', 'alice']],
    ['@example.com', ['@example.com']],
  ])('may have %s as %j', (user, names) => expect(namesOf(user)).toEqual(names));

  it.each([
    ['alice', 'alice'],
    ['EXAMPLE\\alice', "'EXAMPLE\\alice'"],
    ["o'hara; reboot", "'o'\\''hara; reboot'"],
    ['-rf', "'-rf'"],
  ])('has %s in a command as %s', (name, word) => expect(shellWord(name)).toBe(word));
});

describe('what failed', () => {
  const step = (stage: AuthEvent['timeline'][number]['stage']) => ({
    stage,
    at_us: 0,
    elapsed_us: 1,
    detail: '',
  });
  const timeline = [
    step('packet'),
    step('client'),
    step('primary'),
    step('preauth'),
    step('factor'),
    step('answer'),
  ];
  it.each<[Partial<AuthEvent>, number]>([
    [{ reason: 'wrong_password', timeline: timeline.slice(0, 3) }, 2],
    [{ reason: 'denied', timeline }, 4],
    [{ reason: 'second_factor_refused', timeline: timeline.slice(0, 4) }, 3],
    [{ reason: 'fail_mode_safe', outcome: 'accept', timeline }, 4],
    [{ reason: 'approved', outcome: 'accept', timeline }, -1],
    [{ reason: 'prompted', outcome: 'challenge', timeline }, -1],
    [{ reason: 'factor_missing', timeline }, -1],
  ])('of %j is step %d', (over, want) => expect(failedStep(event(over))).toBe(want));

  it.each<[Partial<AuthEvent>, string]>([
    [{ factor: 'passcode' }, 'wrong passcode'],
    [{ factor: 'passcode', outcome: 'challenge' }, 'wrong passcode, asked again'],
    [{ factor: 'push' }, 'push denied'],
    [{ factor: 'phone' }, 'phone call denied'],
    [{ factor: 'auto' }, 'push or call denied'],
    [{ reason: 'wrong_password' }, 'wrong password'],
    [{ reason: 'brand_new' as Reason }, 'brand_new'],
  ])('of %j is said as %s', (over, want) => expect(reasonOf(event(over))).toBe(want));
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
