/** What a ready gateway serves, and who logs in there. */

import type { Api } from './api.ts';
import { freePort } from './ports.ts';

/** What logins are sent to. */
export interface Sample {
  /** The shared secret of all its devices, which are 127.0.0.0/8. */
  secret: string;
  /** The UDP ports, by what is served there. */
  ports: {
    /** `radius_server_auto`: any password, then the built-in second factor. */
    auto: number;
    /** `radius_server_challenge`: the same with a menu. */
    challenge: number;
    /** `radius_server_auto2`: its primary is down, so a login fails as `primary_unavailable`. */
    down: number;
    /** Served by nobody; for integrations that a test makes. */
    spare: number;
  };
  /** Where the primary that is down would be. */
  deadPort: number;
  /** What lets bob in; each once. Take them with `shift()`. Empty where no users were made. */
  bypassCodes: string[];
}

/** The sample with ports of its own. */
export async function makeSample(): Promise<Sample> {
  const [auto, challenge, down, spare, deadPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  return {
    secret: 'sample-Secret-1',
    ports: { auto, challenge, down, spare },
    deadPort,
    bypassCodes: [],
  };
}

/** Its configuration. */
export function configurationOf({ secret, ports, deadPort }: Sample): string {
  const clients = `failmode=secure\nradius_ip_1=127.0.0.0/8\nradius_secret_1=${secret}\n`;
  return `[duo_only_client]

[radius_client]
host=127.0.0.1
port=${deadPort}
secret=upstream-Secret-1
retries=0
retry_wait=1

[radius_server_auto]
api_host=builtin
client=duo_only_client
port=${ports.auto}
${clients}
[radius_server_challenge]
api_host=builtin
client=duo_only_client
port=${ports.challenge}
${clients}
[radius_server_auto2]
api_host=builtin
client=radius_client
port=${ports.down}
${clients}`;
}

/**
 * Makes its users: alice approves her pushes at once, bob has bypass codes and a phone that waits for
 * him, carol denies hers at once, dave is locked out, erin has nothing yet and is to enrol.
 */
export async function makeUsers(api: Api, sample: Sample): Promise<void> {
  const phone = (last: number) => ({
    kind: 'phone' as const,
    name: '',
    number: `+1 555 010 010${last}`,
    capabilities: { push: true, phone: false, sms: false },
  });
  const answers = (answer: 'approve' | 'deny') => ({ answer, after_ms: 0 });
  await api.createUser({ name: 'alice', script: answers('approve'), devices: [phone(0)] });
  await api.createUser({ name: 'bob', devices: [phone(1)] });
  await api.createUser({ name: 'carol', script: answers('deny'), devices: [phone(2)] });
  await api.createUser({ name: 'dave', status: 'locked_out', devices: [phone(3)] });
  await api.createUser({ name: 'erin' });
  sample.bypassCodes.push(...(await api.createBypassCodes('bob', 20)));
}
