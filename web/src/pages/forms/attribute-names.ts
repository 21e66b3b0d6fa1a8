/** RADIUS attributes by their names: the gateway's dictionaries know their numbers. */
import { api, ask } from '@/api/client';
import { type Doc, isDoc } from './path';

/** A configuration in which one attribute stands: what it becomes is what the API wants to have. */
function fileWith(name: string): string {
  return `[radius_client]
host=192.0.2.1
secret=unused
pass_through_attr_names=${name}

[radius_server_auto]
api_host=builtin
client=radius_client
radius_ip_1=192.0.2.1
radius_secret_1=unused
`;
}

/** What an attribute is; throws in words for people where no dictionary has it. */
export async function attributeNamed(name: string): Promise<Doc> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw new Error(`${name}: a name has letters, digits, - and .`);
  }
  const findings = await ask(
    api.POST('/api/v1/config/validate', {
      body: { text: fileWith(name), name: 'authproxy.cfg' } as never,
    }),
  );
  for (const line of findings.report.lines) {
    if (line.option !== 'pass_through_attr_names') continue;
    for (const { value } of line.became ?? []) {
      const found: unknown = Array.isArray(value) ? value[0] : value;
      if (isDoc(found)) return found;
    }
    throw new Error(line.notes?.[0] ?? `${name}: no dictionary has it`);
  }
  throw new Error(`${name}: no dictionary has it`);
}
