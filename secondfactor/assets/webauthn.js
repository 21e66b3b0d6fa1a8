// Passkeys, in the JSON that the service speaks: octets are base64url. No page, no network.

/** Whether this browser has passkeys, and the page may use them. */
export const supported = () =>
  window.isSecureContext && typeof window.PublicKeyCredential === 'function';

/** Makes a passkey as the service asks; what the service is sent. */
export async function create(options) {
  const publicKey = {
    ...options,
    challenge: octets(options.challenge),
    user: { ...options.user, id: octets(options.user.id) },
    excludeCredentials: (options.excludeCredentials ?? []).map(descriptor),
  };
  const made = await navigator.credentials.create({ publicKey });
  return {
    ...head(made),
    response: {
      clientDataJSON: text(made.response.clientDataJSON),
      attestationObject: text(made.response.attestationObject),
      transports: made.response.getTransports?.() ?? [],
    },
  };
}

/** Has a passkey sign what the service asks; what the service is sent. */
export async function get(options) {
  const publicKey = {
    ...options,
    challenge: octets(options.challenge),
    allowCredentials: (options.allowCredentials ?? []).map(descriptor),
  };
  const signed = await navigator.credentials.get({ publicKey });
  return {
    ...head(signed),
    response: {
      clientDataJSON: text(signed.response.clientDataJSON),
      authenticatorData: text(signed.response.authenticatorData),
      signature: text(signed.response.signature),
      userHandle: signed.response.userHandle ? text(signed.response.userHandle) : undefined,
    },
  };
}

/** What went wrong in the browser, for a person. */
export function explain(error) {
  switch (error?.name) {
    case 'InvalidStateError':
      return 'This device already has a passkey for this account.';
    case 'NotAllowedError':
    case 'AbortError':
      return 'That was not confirmed, or took too long. Please try again.';
    case 'NotSupportedError':
    case 'ConstraintError':
      return 'This device cannot keep a passkey. Set up a screen lock (a PIN, a fingerprint or your face) and try again.';
    case 'SecurityError':
      return 'This address cannot use passkeys. Open the page by its name, with https://.';
    default:
      return 'Your browser could not use the passkey. Please try again.';
  }
}

const head = (credential) => ({
  id: credential.id,
  rawId: text(credential.rawId),
  type: credential.type,
});

const descriptor = (one) => ({ ...one, id: octets(one.id) });

/** base64url to octets. */
export function octets(encoded) {
  const plain = atob(encoded.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

/** Octets to base64url, without padding. */
export function text(buffer) {
  const plain = Array.from(new Uint8Array(buffer), (octet) => String.fromCharCode(octet)).join('');
  return btoa(plain).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
