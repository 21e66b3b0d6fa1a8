/**
 * A device of the documentation as the beginning of an integration. What its options are as fields the gateway
 * says: it reads the device's configuration as it would read a file, and reports what each line became.
 */
import { api, ask, type Schemas } from '@/api/client';
import { type DeviceTemplate, fillDevice } from '@/devices/template';
import { newIntegration } from './integration-fields';
import { type Doc, isDoc, type Json, set } from './path';

type LineReport = Schemas['LineReport'];

/** What the lines of these options became, put into a document. */
export function documentOf(report: LineReport, options: ReadonlySet<string>, begin: Doc): Doc {
  let doc = begin;
  for (const line of report.lines) {
    const header = line.option === undefined || line.option === null;
    if (line.result !== 'set' || (!header && !options.has(line.option ?? ''))) continue;
    for (const { path, value } of line.became ?? []) {
      const field = /^integrations\[[^\]]*\]\.(.+)$/.exec(path)?.[1];
      // Clients are the reader's own.
      if (field && !field.startsWith('clients')) doc = set(doc, field, value as Json);
    }
  }
  return doc;
}

/** Of a client of that device: what the page asks of its messages. */
export function policyOf(report: LineReport): Json {
  for (const line of report.lines) {
    for (const { path, value } of line.became ?? []) {
      if (/^integrations\[[^\]]*\]\.clients\[0\]\.message_authenticator$/.test(path)) return value as Json;
    }
  }
  return undefined;
}

/** What the gateway makes of a device's configuration. */
export async function reportOf(device: DeviceTemplate): Promise<LineReport> {
  const { report } = await ask(
    api.POST('/api/v1/config/validate', { body: { text: device.ini, name: 'authproxy.cfg' } }),
  );
  return report;
}

/** What was answered already: a device says nothing of it. */
const KEPT = ['id', 'port', 'listen', 'authenticator', 'application', 'exempt_users'];

/** A new integration for a device, in the place of what was begun. */
export function forDevice(report: LineReport, device: DeviceTemplate, begun: Doc, before?: string): Doc {
  const begin: Doc = { ...newIntegration(), mode: device.mode };
  for (const name of KEPT) if (begun[name] !== undefined) begin[name] = begun[name];
  // The name of the device that was chosen before was nobody's choice.
  if (begun.id === '' || begun.id === before) begin.id = device.id;
  const options = new Set(device.options.map(([name]) => name));
  const doc = documentOf(report, options, begin);
  const policy = policyOf(report);
  const own = (Array.isArray(begun.clients) ? begun.clients : []).filter(
    (one) => isDoc(one) && (one.address !== '' || one.secret !== ''),
  );
  const made = policy === undefined ? [] : [{ address: '', secret: '', message_authenticator: policy }];
  return { ...doc, clients: own.length > 0 ? own : made };
}

/** A setting of the device with what is known of this integration in place of the placeholders. */
export function filled(text: string, doc: Doc, gateway: string): string {
  const client = Array.isArray(doc.clients) ? (doc.clients[0] as Doc | undefined) : undefined;
  const device = typeof client?.address === 'string' && client.address !== '' ? client.address : undefined;
  const secret = typeof client?.secret === 'string' && client.secret !== '' ? client.secret : undefined;
  return fillDevice(text, {
    gateway,
    ...(device ? { device } : {}),
    ...(secret ? { secret } : {}),
    ...(typeof doc.port === 'number' ? { port: doc.port } : {}),
  });
}
