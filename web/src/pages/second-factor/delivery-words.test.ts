import { expect, test } from 'vitest';
import { changeOf, type Delivery, fieldsOf, setWords, textsOf } from './delivery-words';

const empty: Delivery = { failures: [], secrets: [] };
const full: Delivery = {
  ...empty,
  smtp: { host: 'mail.example.com', port: 2525, security: 'tls', from: 'gate@example.com', user: 'gate' },
  sms: { url: 'https://sms.example.com/', format: 'form', fields: { to: '{number}', text: 'a=b' } },
  web_push: { contact: 'mailto:it@example.com', hosts: ['push.example.com'], ca_pem: 'PEM' },
};

test.each(['smtp', 'sms', 'web_push'] as const)('%s is sent as it was read, and its secret stays', (way) => {
  expect(changeOf(way, textsOf(way, full))).toEqual({ [way]: { set: full[way] } });
});

test('a secret is sent when it is typed', () => {
  expect(changeOf('smtp', { ...textsOf('smtp', full), secret: 'x' })).toMatchObject({
    smtp: { set: { password: 'x' } },
  });
  expect(changeOf('voice', { ...textsOf('voice', empty), url: ' https://a/ ', secret: 'Bearer x' })).toEqual({
    voice: {
      set: {
        url: 'https://a/',
        format: 'json',
        fields: { to: '{number}', text: '{text}' },
        authorization: 'Bearer x',
      },
    },
  });
});

test.each<[string, Record<string, string> | null]>([
  ['', {}],
  ['a=b=c\n\n x = {text} ', { a: 'b=c', x: '{text}' }],
  ['a', null],
  ['=b', null],
])('the fields %j are read', (text, fields) => {
  expect(fieldsOf(text)).toEqual(fields);
});

test('what is set is said, and nothing where nothing is', () => {
  expect(setWords('smtp', full)).toBe('By mail.example.com, from gate@example.com.');
  expect(setWords('voice', full)).toBeNull();
});
