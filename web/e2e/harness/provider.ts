/**
 * A small provider of OpenID Connect: authorization code with PKCE, RSA keys. It takes nothing that a
 * strict one would not; what it refused is in {@link Provider.refused}.
 */

import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** Who has an account there, as the ID token says it. */
export interface Person {
  sub: string;
  email?: string;
  email_verified?: boolean;
  groups: string[];
}

/** What somebody brought who came to sign in. */
interface Asked {
  nonce: string;
  challenge: string;
  redirect: string;
  state: string;
}

const CLIENT = { id: 'countersign', secret: 'provider & Secret-1' };
const KEY = 'one';

/** How long what it says is good for, in seconds. */
const GOOD = 300;

export class Provider {
  /** What was asked of it that it did not take, in order. */
  readonly refused: string[] = [];
  /** By name: whom its page offers to be. */
  readonly people = new Map<string, Person>();
  readonly #codes = new Map<string, Asked & { person: Person }>();
  readonly #server: Server;
  readonly #key: KeyObject;
  readonly #public: KeyObject;

  private constructor() {
    const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.#key = keys.privateKey;
    this.#public = keys.publicKey;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error) => this.#refuse(response, String(error)));
    });
  }

  static async start(): Promise<Provider> {
    const provider = new Provider();
    provider.#server.listen(0, '127.0.0.1');
    await once(provider.#server, 'listening');
    return provider;
  }

  /** By another name than the gateway's: to a browser it is another site, as it is where people have one. */
  get issuer(): string {
    return `http://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What the gateway is told of it. `publicUrl`: where browsers find the gateway. */
  settings(publicUrl: string) {
    return {
      issuer: this.issuer,
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      public_url: publicUrl,
      scopes: ['openid', 'email', 'profile'],
      groups_claim: 'groups',
      roles: [{ group: 'netops', role: 'operator' as const }],
    };
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.issuer);
    const { issuer } = this;
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /.well-known/openid-configuration':
        return json(response, {
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/keys`,
          response_types_supported: ['code'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['RS256'],
          code_challenge_methods_supported: ['S256'],
          authorization_response_iss_parameter_supported: true,
        });
      case 'GET /keys': {
        const jwk = this.#public.export({ format: 'jwk' });
        return json(response, { keys: [{ ...jwk, kid: KEY, use: 'sig', alg: 'RS256' }] });
      }
      case 'GET /authorize':
        return this.#offer(url.searchParams, response);
      case 'POST /token':
        return this.#exchange(request, response);
      default:
        response.writeHead(404).end();
    }
  }

  /** The page on which somebody says who they are, or that they will not. */
  #offer(query: URLSearchParams, response: ServerResponse): void {
    const given = (name: string) => query.get(name) ?? '';
    const wrong = [
      given('response_type') !== 'code' && 'response_type',
      given('client_id') !== CLIENT.id && 'client_id',
      !given('scope').split(' ').includes('openid') && 'scope',
      given('code_challenge_method') !== 'S256' && 'code_challenge_method',
      !/^[\w-]{43}$/.test(given('code_challenge')) && 'code_challenge',
      given('state').length < 16 && 'state',
      given('nonce').length < 16 && 'nonce',
    ].filter(Boolean);
    if (wrong.length > 0) {
      this.#refuse(response, `authorize: ${wrong.join(', ')}`);
      return;
    }
    const asked: Asked = {
      nonce: given('nonce'),
      challenge: given('code_challenge'),
      redirect: given('redirect_uri'),
      state: given('state'),
    };
    const links = [...this.people].map(([name, person]) => {
      const code = randomBytes(16).toString('base64url');
      this.#codes.set(code, { ...asked, person });
      return `<li><a href="${this.#back(asked, { code })}">${name}</a></li>`;
    });
    const cancel = `<a href="${this.#back(asked, { error: 'access_denied' })}">Cancel</a>`;
    response.writeHead(200, { 'content-type': 'text/html', 'cache-control': 'no-store' });
    response.end(
      `<!doctype html><html lang="en"><title>Provider</title><link rel="icon" href="data:,">
       <h1>Who are you?</h1><ul>${links.join('')}</ul>${cancel}`,
    );
  }

  /** The way back, as it stands in an attribute. */
  #back(asked: Asked, more: Record<string, string>): string {
    const query = new URLSearchParams({ ...more, state: asked.state, iss: this.issuer });
    return `${asked.redirect}?${query}`.replaceAll('&', '&amp;');
  }

  async #exchange(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await text(request));
    // RFC 6749 section 2.3.1: both are encoded as in a form.
    const encoded = [CLIENT.id, CLIENT.secret].map((part) =>
      new URLSearchParams({ '': part }).toString().slice(1),
    );
    const basic = Buffer.from(encoded.join(':')).toString('base64');
    if (request.headers.authorization !== `Basic ${basic}`)
      return this.#refuse(response, 'token: client', 401);
    const code = form.get('code') ?? '';
    const asked = this.#codes.get(code);
    this.#codes.delete(code);
    if (form.get('grant_type') !== 'authorization_code' || !asked)
      return this.#refuse(response, 'token: code');
    if (form.get('redirect_uri') !== asked.redirect) return this.#refuse(response, 'token: redirect_uri');
    const digest = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (digest !== asked.challenge) return this.#refuse(response, 'token: code_verifier');
    json(response, {
      access_token: randomBytes(16).toString('base64url'),
      token_type: 'Bearer',
      expires_in: GOOD,
      id_token: this.#token(asked.person, asked.nonce),
    });
  }

  /** RFC 7515, RS256. */
  #token(person: Person, nonce: string): string {
    const now = Math.floor(Date.now() / 1_000);
    const claims = { iss: this.issuer, aud: CLIENT.id, iat: now, exp: now + GOOD, nonce, ...person };
    const signed = [{ alg: 'RS256', kid: KEY, typ: 'JWT' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    return `${signed}.${sign('sha256', Buffer.from(signed), this.#key).toString('base64url')}`;
  }

  #refuse(response: ServerResponse, why: string, status = 400): void {
    this.refused.push(why);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: 'invalid_request', error_description: why }));
  }
}

function json(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}
