/** Nodes in words, and the commands that make one. Pure. */
import type { Schemas } from '@/api/client';

type NodeView = Schemas['NodeView'];
type CheckRow = Schemas['CheckRow'];

export interface State {
  word: string;
  colour: string;
  about: string;
}

/** What a node serves, after whatever became of the newest revision. */
export function servesOf({ applied }: Pick<NodeView, 'applied'>): string {
  return applied == null ? 'serves nothing: it has no revision yet' : `serves revision ${applied}`;
}

/** What a node does, in a word: the worst of what is known. */
export function stateOf(node: NodeView, revision: number | null): State {
  if (!node.connected) {
    return {
      word: 'away',
      colour: 'red',
      about:
        node.applied == null
          ? 'It is not connected, and never had a revision that it could serve.'
          : 'It is not connected. If it runs, it serves what it had.',
    };
  }
  if (node.refused) {
    return { word: 'refused', colour: 'red', about: `It refused the last revision, and ${servesOf(node)}.` };
  }
  if (node.draining || node.status?.state === 'draining') {
    return { word: 'drained', colour: 'orange', about: 'It takes no new logins, and finishes those it has.' };
  }
  if (node.status?.state === 'starting' || node.applied == null) {
    return { word: 'starting', colour: 'blue', about: 'It serves nothing yet.' };
  }
  if (revision !== null && node.applied < revision) {
    return { word: 'behind', colour: 'orange', about: 'It does not serve the newest revision yet.' };
  }
  return { word: 'serving', colour: 'green', about: 'It serves the newest revision.' };
}

/** Where a node was configured from. */
export const SOURCES: Record<Schemas['ConfigSource'], string> = {
  none: 'nowhere yet',
  control_plane: 'the control plane',
  sealed_copy: 'its own sealed copy: it started without the control plane',
};

const ORDER: Record<CheckRow['result'], number> = { failed: 0, warning: 1, good: 2 };

/** Faults first, then warnings; else in the order of the configuration. */
export function faultsFirst(rows: readonly CheckRow[]): CheckRow[] {
  return [...rows].sort((a, b) => ORDER[a.result] - ORDER[b.result]);
}

export const RESULTS: Record<CheckRow['result'], { colour: string; word: string }> = {
  failed: { colour: 'red', word: 'failed' },
  warning: { colour: 'orange', word: 'warning' },
  good: { colour: 'green', word: 'good' },
};

export const CHECKS: Record<CheckRow['what'], string> = {
  file: 'file',
  revision: 'revision',
  port: 'port',
  eap_certificate: 'EAP certificate',
  second_factor: 'second factor',
  second_factor_certificate: 'second factor’s certificate',
  clock: 'clock',
  second_factor_keys: 'second factor’s keys',
  directory: 'directory',
  directory_certificate: 'directory’s certificate',
  service_account: 'service account',
  search_base: 'search base',
  group: 'group',
  users: 'users',
  upstream: 'upstream',
  open_files: 'open files',
  receive_buffer: 'receive buffer',
  time_source: 'time source',
  log_folder: 'log folder',
  proxy: 'HTTP proxy',
  authorities: 'trusted CAs',
  admin_certificate: 'admin address’s certificate',
  node_certificate: 'node’s certificate',
  public_address: 'public address',
  unknown: 'what a later version tries',
};

/** Where nodes reach the control plane: what it listens at, by a name they know where it says all addresses. */
export function joinAddress(listens: string, host: string): string {
  const port = /:(\d+)$/.exec(listens)?.[1] ?? '8403';
  const address = listens.replace(/:\d+$/, '');
  const anywhere = address === '0.0.0.0' || address === '[::]' || address === '::';
  return `https://${anywhere ? host : address}:${port}`;
}

/** Whether it is an address at which a machine reaches nobody but itself. */
export function isOwn(address: string): boolean {
  const host = URL.canParse(address) ? new URL(address).hostname : '';
  return /^(localhost|127(\.\d+){3}|\[::1\])$/i.test(host);
}

/** What is typed on the new machine to join: the token is in no argument, which others could read. */
export function joinCommand(address: string, token: string, name: string): string {
  const named = name === '' ? '' : ` --name=${name}`;
  return `countersign node join ${address}${named} --token-file - <<'TOKEN'\n${token}\nTOKEN`;
}

/** A node's name as the gateway takes it. */
export function nameFault(name: string): string | null {
  return name === '' || /^[A-Za-z0-9_.-]{1,128}$/.test(name)
    ? null
    : 'Letters, digits, dots, dashes and underscores, 128 at most';
}
