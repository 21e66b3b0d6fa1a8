/** The REST API, typed by its OpenAPI document: for what a spec needs beside its page. */

import createClient, { type Client } from 'openapi-fetch';
import type { components, operations, paths } from '../../src/api/schema.d.ts';
import { totp } from './totp.ts';
import { PATIENCE, until } from './until.ts';

export type Schemas = components['schemas'];

/** What narrows a list of events. */
export type EventFilter = NonNullable<operations['listEvents']['parameters']['query']>;

/** Who asks: an administrator with the cookie of a session, a script with a token, or nobody. */
export type Caller = { session: string } | { token: string } | 'nobody';

/** What an administrator signs in with. */
export interface Credentials {
  name: string;
  password: string;
  /** In base 32; passcodes of it are made by {@link totp}. */
  totpSecret: string;
}

/** The name of a session's cookie on plain HTTP. */
export const COOKIE = 'countersign';

/** A password that is taken for everybody whose name is not in it. */
export const PASSWORD = 'correct horse battery';

/** How long tokens are good for, in seconds. */
const DAY = 86_400;

/** The API of one gateway, as one caller. */
export class Api {
  /** Typed by path: `good(api.client.GET('/api/v1/nodes'))`. */
  readonly client: Client<paths>;

  constructor(
    readonly adminUrl: string,
    readonly caller: Caller = 'nobody',
  ) {
    this.client = createClient<paths>({ baseUrl: adminUrl, headers: headers(adminUrl, caller) });
  }

  /** The same as another caller. */
  as(caller: Caller): Api {
    return new Api(this.adminUrl, caller);
  }

  /** Makes the first administrator by the set-up link, or another one by an invitation of this caller. */
  async createAdmin(
    name: string,
    by: { setupLink: string } | { role: Schemas['Role'] },
  ): Promise<Credentials> {
    const invited =
      'setupLink' in by
        ? await good(
            this.client.POST('/api/v1/setup', {
              body: { name, setup: by.setupLink.slice(by.setupLink.indexOf('#') + 1) },
            }),
          )
        : await good(this.client.POST('/api/v1/admins', { body: { name, role: by.role } }));
    const { invitation } = invited as Schemas['Invitation'];
    return this.takeInvitation(name, there(invitation, 'invitation'));
  }

  /** Takes an invitation. */
  async takeInvitation(name: string, invitation: string): Promise<Credentials> {
    const take = (more: object) =>
      good(this.client.POST('/api/v1/invitation', { body: { name, invitation, ...more } }));
    const totpSecret = there((await take({})).totp_secret, 'totp_secret');
    await take({ password: PASSWORD, passcode: await totp(totpSecret) });
    return { name, password: PASSWORD, totpSecret };
  }

  /** Signs in; gives the API as this administrator. `ahead`: of the gateway's clock, in milliseconds. */
  async signIn({ name, password, totpSecret }: Credentials, ahead = 0): Promise<Api> {
    const asked = this.client.POST('/api/v1/session', {
      body: { name, password, passcode: await totp(totpSecret, ahead) },
    });
    await good(asked);
    const cookies = (await asked).response.headers.getSetCookie();
    const cookie = cookies.find((each) => each.startsWith(`${COOKIE}=`));
    return this.as({ session: there(cookie?.slice(COOKIE.length + 1).split(';')[0], 'cookie') });
  }

  /** Makes a token; gives the API as whoever has it. */
  async withToken(name: string, role: Schemas['Role']): Promise<Api> {
    const made = await good(
      this.client.POST('/api/v1/tokens', { body: { name, role, expires_in_seconds: DAY } }),
    );
    return this.as({ token: there(made.token, 'token') });
  }

  /** Imports the text of an `authproxy.cfg`; gives the number of the revision that is served then. */
  async importConfig(text: string, message?: string): Promise<number> {
    const imported = await good(
      this.client.POST('/api/v1/config/import', {
        params: { query: message === undefined ? {} : { message } },
        body: { text, name: 'authproxy.cfg' },
      }),
    );
    if (imported.revision) {
      await this.waitForRevisionApplied(imported.revision.number);
      return imported.revision.number;
    }
    const newest = await good(this.client.GET('/api/v1/revisions', { params: { query: { limit: 1 } } }));
    return there(newest.items[0], 'revision').number;
  }

  /** Makes a user of the built-in second factor. */
  async createUser(user: Schemas['NewUserWrite']): Promise<Schemas['CreatedUser']> {
    const made = await good(this.client.POST('/api/v1/second-factor/users', { body: user }));
    return made as Schemas['CreatedUser'];
  }

  /** Makes bypass codes of a user. */
  async createBypassCodes(name: string, count: number): Promise<string[]> {
    const made = await good(
      this.client.POST('/api/v1/second-factor/users/{name}/bypass-codes', {
        params: { path: { name } },
        body: { count, valid_seconds: null },
      }),
    );
    return (made as Schemas['BypassCodes']).codes;
  }

  /** Waits for an event of this kind, and gives the newest. */
  waitForEvent(
    filter: EventFilter,
    matching: (event: Schemas['AuthEvent']) => boolean = () => true,
    patience = PATIENCE,
  ): Promise<Schemas['AuthEvent']> {
    return until(
      `an event of ${JSON.stringify(filter)}`,
      async () => {
        const page = await good(this.client.GET('/api/v1/events', { params: { query: filter } }));
        return (page as Schemas['PageOfEvents']).items.map((stored) => stored.event).find(matching);
      },
      patience,
    );
  }

  /** Waits until a push of this user waits for an answer. */
  waitForApproval(user: string, patience = PATIENCE): Promise<Schemas['WaitingPush']> {
    return until(
      `a push of ${user}`,
      async () => {
        const page = await good(this.client.GET('/api/v1/second-factor/approvals'));
        return page.items.find((push) => push.user === user);
      },
      patience,
    );
  }

  /** Waits until all nodes serve this revision, or a newer one. */
  async waitForRevisionApplied(number: number, patience = PATIENCE): Promise<void> {
    await until(
      `revision ${number} is served by all nodes`,
      async () => {
        const { items } = await good(this.client.GET('/api/v1/nodes'));
        const behind = items.filter((node) => (node.applied ?? 0) < number);
        return items.length > 0 && behind.length === 0 ? true : undefined;
      },
      patience,
    );
  }
}

/** What an answer holds, nothing where it holds nothing; throws what the service says where it refuses. */
export async function good<T>(
  asked: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<NonNullable<T>> {
  const { data, error, response } = await asked;
  if (!response.ok) {
    throw new Error(`${response.status} of ${response.url}: ${JSON.stringify(error)}`);
  }
  return data as NonNullable<T>;
}

/** As the dashboard's own page sends them. */
function headers(adminUrl: string, caller: Caller): Record<string, string> {
  if (caller === 'nobody') {
    return { 'countersign-page': '1', origin: adminUrl };
  }
  return 'token' in caller
    ? { authorization: `Bearer ${caller.token}` }
    : { 'countersign-page': '1', origin: adminUrl, cookie: `${COOKIE}=${caller.session}` };
}

function there<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) {
    throw new Error(`the answer has no ${what}`);
  }
  return value;
}
