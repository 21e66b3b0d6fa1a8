/** A copy of an integration: everything but its name and its secrets, which nobody can read. */
import { isBuiltIn } from './integration-fields';
import { type Doc, isDoc } from './path';

export function duplicateOf(doc: Doc): Doc {
  const application = isDoc(doc.application) ? doc.application : {};
  const clients = Array.isArray(doc.clients) ? doc.clients.filter(isDoc) : [];
  const copy: Doc = {
    ...doc,
    id: '',
    // The built-in second factor makes an application of its own for the copy.
    application: isBuiltIn(doc) ? { ikey: '', skey: '', host: 'builtin' } : { ...application, skey: '' },
    clients: clients.map((client) => ({ ...client, secret: '' })),
  };
  if (isDoc(doc.eap)) copy.eap = { ...doc.eap, private_key: '' };
  return copy;
}
