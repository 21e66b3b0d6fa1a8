/** How people are reached, in words and as forms hold it. Pure. */
import type { Schemas } from '@/api/client';

export type Delivery = Schemas['Delivery'];
export type Way = 'smtp' | 'sms' | 'voice' | 'web_push';

export const WAYS: Record<Way, { title: string; about: string; none: string; secret?: string }> = {
  smtp: {
    title: 'E-mail',
    about: 'Passcodes and invitations by e-mail, by an SMTP server.',
    none: 'No e-mail is sent.',
    secret: 'smtp.password',
  },
  sms: {
    title: 'SMS',
    about: 'Passcodes by SMS: one POST to a gateway for each.',
    none: 'No SMS is sent: administrators read the codes on the user’s page.',
    secret: 'sms.authorization',
  },
  voice: {
    title: 'Calls',
    about: 'Calls that approve a login: one POST to a gateway for each.',
    none: 'No call is placed.',
    secret: 'voice.authorization',
  },
  web_push: {
    title: 'Notices on phones',
    about: 'Web Push: a phone is told of a login while its page is closed.',
    none: 'No notice is sent: people keep the page open.',
  },
};
export const ALL_WAYS = Object.keys(WAYS) as Way[];

export const CHANNELS: Record<Schemas['Channel'], string> = {
  email: 'e-mail',
  sms: 'SMS',
  voice: 'call',
  web_push: 'notice',
};

/** The texts of a form, whatever the way; what a way has no use for stays empty. */
export interface Texts {
  host: string;
  port: string;
  security: Schemas['SmtpSecurity'];
  from: string;
  user: string;
  url: string;
  format: Schemas['GatewayFormat'];
  fields: string;
  contact: string;
  hosts: string;
  secret: string;
  ca_pem: string;
}

/** The form of a way as it is set, or of one that is not. */
export function textsOf(way: Way, { smtp, sms, voice, web_push }: Delivery): Texts {
  const gateway = way === 'sms' ? sms : way === 'voice' ? voice : null;
  const ca = { smtp, sms, voice, web_push }[way]?.ca_pem;
  return {
    host: smtp?.host ?? '',
    port: smtp?.port ? String(smtp.port) : '',
    security: smtp?.security ?? 'starttls',
    from: smtp?.from ?? '',
    user: smtp?.user ?? '',
    url: gateway?.url ?? '',
    format: gateway?.format ?? 'json',
    fields: gateway ? fieldsText(gateway.fields) : 'to={number}\ntext={text}',
    contact: web_push?.contact ?? '',
    hosts: (web_push?.hosts ?? []).join('\n'),
    secret: '',
    ca_pem: ca ?? '',
  };
}

export function fieldsText(fields: Record<string, string>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n');
}

/** `name=value` on each line; null where a line has no name or no `=`. */
export function fieldsOf(text: string): Record<string, string> | null {
  const fields: [string, string][] = [];
  for (const line of text.split('\n').filter((each) => each.trim())) {
    const at = line.indexOf('=');
    const name = line.slice(0, at).trim();
    if (at < 1 || !name) return null;
    fields.push([name, line.slice(at + 1).trim()]);
  }
  return Object.fromEntries(fields);
}

/** What is sent to set a way; a secret that is left empty stays as it is. */
export function changeOf(way: Way, texts: Texts): Schemas['ChangeDeliveryWrite'] | null {
  const ca = texts.ca_pem.trim() ? { ca_pem: texts.ca_pem.trim() } : {};
  const secret = texts.secret;
  switch (way) {
    case 'smtp':
      return {
        smtp: {
          set: {
            host: texts.host.trim(),
            security: texts.security,
            from: texts.from.trim(),
            ...(texts.port.trim() ? { port: Number(texts.port) } : {}),
            ...(texts.user.trim() ? { user: texts.user.trim() } : {}),
            ...(secret ? { password: secret } : {}),
            ...ca,
          },
        },
      };
    case 'web_push':
      return {
        web_push: {
          set: {
            contact: texts.contact.trim(),
            hosts: texts.hosts.split(/\s+/).filter(Boolean),
            ...ca,
          },
        },
      };
    default: {
      const fields = fieldsOf(texts.fields);
      if (!fields) return null;
      const set = {
        url: texts.url.trim(),
        format: texts.format,
        fields,
        ...(secret ? { authorization: secret } : {}),
        ...ca,
      };
      return way === 'sms' ? { sms: { set } } : { voice: { set } };
    }
  }
}

/** What is set, in one line. */
export function setWords(way: Way, { smtp, sms, voice, web_push }: Delivery): string | null {
  switch (way) {
    case 'smtp':
      return smtp ? `By ${smtp.host}, from ${smtp.from}.` : null;
    case 'sms':
      return sms ? `By ${sms.url}.` : null;
    case 'voice':
      return voice ? `By ${voice.url}.` : null;
    case 'web_push':
      return web_push ? `Push services may ask ${web_push.contact} about us.` : null;
  }
}
