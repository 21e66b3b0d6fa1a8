/**
 * Free ports on loopback that nobody else takes before the program binds them.
 *
 * They lie below the range that the kernel gives to outgoing sockets, and apart from those of the
 * Rust tests. Each is held by an abstract Unix socket of its name, which ends with this process: so
 * several runs on one machine never get the same. A port that is reserved and not bound is also a
 * host that refuses.
 */

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

const FIRST = 12_000;
const COUNT = 8_000;

/** Reserves a port that is free for UDP and TCP, until this process ends. */
export async function freePort(): Promise<number> {
  const start = randomInt(COUNT);
  for (let offset = 0; offset < COUNT; offset += 1) {
    const port = FIRST + ((start + offset) % COUNT);
    const lock = await listens({ path: `\0countersign-e2e-port-${port}` });
    if (!lock) {
      continue;
    }
    if ((await tcpIsFree(port)) && (await udpIsFree(port))) {
      lock.unref();
      return port;
    }
    lock.close();
  }
  throw new Error(`none of the ${COUNT} ports from ${FIRST} on is free`);
}

async function listens(
  where: { path: string } | { port: number; host: string },
): Promise<Server | undefined> {
  const server = createServer();
  try {
    server.listen({ ...where, exclusive: true });
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}

async function tcpIsFree(port: number): Promise<boolean> {
  const server = await listens({ port, host: '0.0.0.0' });
  if (server) {
    server.close();
    await once(server, 'close');
  }
  return server !== undefined;
}

async function udpIsFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  const bound = once(socket, 'listening').then(
    () => true,
    () => false,
  );
  socket.bind({ port, address: '0.0.0.0', exclusive: true });
  const free = await bound;
  socket.close();
  return free;
}
