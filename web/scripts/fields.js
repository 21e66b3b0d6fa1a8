// What the API's documents may hold, from its OpenAPI document: description, default, bounds and words of each
// field, by its path. The dashboard's forms read it, so that none of it is typed twice; the whole document is
// too large for a page.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const openapi = JSON.parse(readFileSync(new URL('../../controlplane/openapi.json', import.meta.url), 'utf8'));
const { schemas } = openapi.components;

/** Documents that are written with a form. */
const DOCUMENTS = ['IntegrationWrite', 'AuthenticatorWrite', 'SettingsWrite'];

const resolved = (schema) => (schema.$ref ? schemas[schema.$ref.split('/').at(-1)] : schema);

/** A schema without its references and without `null`, which only says that it may be left out. */
function plain(schema) {
  const target = resolved(schema);
  if (!target.anyOf) return target;
  const [first] = target.anyOf.filter((one) => one.type !== 'null');
  return plain(first);
}

function walk(schema, path, found, about = schema) {
  const target = plain(schema);
  const says = { ...(about.description ? { description: about.description } : {}) };
  if (about.type?.includes?.('null') || about.anyOf?.some((one) => one.type === 'null')) says.optional = true;
  const words = target.oneOf?.filter((one) => one.const !== undefined);
  const objects = target.oneOf?.filter((one) => one.properties) ?? [];
  if (target.properties || objects.length > 0) {
    for (const [name, inner] of Object.entries(
      Object.assign({}, target.properties, ...objects.map((one) => one.properties)),
    )) {
      walk(inner, path ? `${path}.${name}` : name, found, { ...inner });
    }
    if (words?.length) found[path] = { ...says, words: words.map(word) };
    return;
  }
  const item = target.type === 'array' || target.type?.includes?.('array') ? target.items : null;
  if (item) {
    const inner = plain(item);
    if (inner.properties) return walk(item, `${path}[]`, found, {});
    if (inner.oneOf) says.words = inner.oneOf.map(word);
    found[path] = { ...says, list: true, ...fallback(about) };
    return;
  }
  if (words?.length) says.words = words.map(word);
  if (target.minimum !== undefined) says.minimum = target.minimum;
  if (target.maximum !== undefined) says.maximum = target.maximum;
  if (target.writeOnly) says.secret = true;
  found[path] = { ...says, ...fallback(about) };
}

const word = (one) => ({ value: one.const, description: one.description ?? '' });
const fallback = (about) => (about.default !== undefined ? { default: about.default } : {});

const documents = {};
for (const name of DOCUMENTS) {
  const found = {};
  walk({ $ref: `#/components/schemas/${name}` }, '', found, {});
  documents[name.replace('Write', '').toLowerCase()] = found;
}
const folder = new URL('../src/generated/', import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL('fields.json', folder), `${JSON.stringify(documents, null, 1)}\n`);
