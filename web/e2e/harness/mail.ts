/** A mail server on this machine that keeps what it is given (RFC 5321, as much as a client needs). */

import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { freePort } from './ports.ts';

/** A letter, as it was given. */
export interface Letter {
  to: string;
  /** Head and body, in lines. */
  lines: string[];
}

export class MailServer {
  readonly letters: Letter[] = [];
  readonly #open = new Set<Socket>();

  private constructor(
    readonly port: number,
    private readonly server: Server,
  ) {
    server.on('connection', (socket) => {
      this.#open.add(socket);
      socket.on('close', () => this.#open.delete(socket));
      // Who hangs up in the middle has said enough.
      socket.on('error', () => socket.destroy());
      void this.#talk(socket);
    });
  }

  static async start(): Promise<MailServer> {
    const mail = new MailServer(await freePort(), createServer());
    mail.server.listen(mail.port, '127.0.0.1');
    await once(mail.server, 'listening');
    return mail;
  }

  async stop(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  async #talk(socket: Socket): Promise<void> {
    const say = (line: string) => socket.write(`${line}\r\n`);
    let letter: Letter = { to: '', lines: [] };
    let inLetter = false;
    say('220 mail.test');
    for await (const line of createInterface({ input: socket })) {
      if (inLetter) {
        inLetter = line !== '.';
        if (inLetter) {
          letter.lines.push(line);
          continue;
        }
        this.letters.push(letter);
        letter = { to: '', lines: [] };
      } else if (/^QUIT/i.test(line)) {
        say('221 bye');
        socket.end();
        return;
      } else if (/^DATA/i.test(line)) {
        inLetter = true;
        say('354 go on');
        continue;
      } else {
        letter.to = /^RCPT TO:<([^>]*)>/i.exec(line)?.[1] ?? letter.to;
      }
      say('250 mail.test');
    }
  }
}
