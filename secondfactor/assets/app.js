// The approval app: shows what waits on this device, and has its passkey approve.

import { create, explain, get, octets, supported } from '/assets/webauthn.js';

const APPROVE = '/approve/';
/** Where a device comes in that was bound just now. */
const BOUND = '#bound';
/** A little longer than the service holds a question, in milliseconds. */
const PATIENCE = 40_000;
/** The longest pause between two tries, in milliseconds. */
const LONGEST_PAUSE = 15_000;

const part = (id) => document.getElementById(id);
const views = ['loading', 'sign-in', 'bind', 'wrong', 'cannot', 'list'];
/** What the page has been shown last. */
let version = '';
/** The cards on the page, by the login's id. */
const cards = new Map();
/** Ends the question that is open. */
let asking = new AbortController();
/** Ends the pause between two questions. */
let hurry = () => {};
let running = false;

class Refused extends Error {
  constructor(status, said) {
    super(said.message ?? 'Something failed. Try again later.');
    this.status = status;
    this.word = said.error ?? '';
  }
}

async function ask(path, body, signal) {
  const response = await fetch(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: 'no-store',
    signal,
  });
  const said = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Refused(response.status, said);
  }
  return said;
}

function show(view) {
  for (const name of views) {
    part(`view-${name}`).hidden = name !== view;
  }
  part('sign-out').hidden = view !== 'list';
  if (view !== 'list') {
    part('who').textContent = 'Countersign';
    document.title = 'Countersign';
  }
}

function tell(text) {
  part('failed').textContent = '';
  part('told').textContent = text;
}

function complain(error) {
  part('told').textContent = '';
  if (error instanceof Refused) {
    part('failed').textContent = error.message;
  } else if (error instanceof DOMException) {
    part('failed').textContent = explain(error);
  } else {
    part('failed').textContent = 'The service cannot be reached. Please try again.';
  }
}

/** Runs what a button starts, once at a time. */
async function once(buttons, work) {
  part('failed').textContent = '';
  for (const button of buttons) {
    button.disabled = true;
  }
  try {
    await work();
  } catch (error) {
    complain(error);
    if (error instanceof Refused && error.word === 'signed_out') {
      signedOut();
    }
  } finally {
    for (const button of buttons) {
      button.disabled = false;
    }
  }
}

// ---- What waits ------------------------------------------------------------------------------

/** Asks again and again while the page is seen: a phone that sleeps loses its connections. */
async function follow() {
  if (running) {
    return;
  }
  running = true;
  let pause = 1_000;
  while (running) {
    const mine = new AbortController();
    asking = mine;
    const over = setTimeout(() => mine.abort(), PATIENCE);
    try {
      const said = await ask(`/app/waiting?after=${encodeURIComponent(version)}`, undefined, mine.signal);
      part('offline').hidden = true;
      pause = 1_000;
      draw(said);
      continue;
    } catch (error) {
      if (error instanceof Refused && error.status === 401) {
        signedOut();
        return;
      }
      // Cut short by this page itself: nothing is wrong.
      if (!(mine.signal.aborted && document.visibilityState === 'visible')) {
        part('offline').hidden = error instanceof Refused;
      }
      if (version === '' && error instanceof Refused) {
        complain(error);
      }
    } finally {
      clearTimeout(over);
    }
    await new Promise((resolve) => {
      hurry = resolve;
      setTimeout(resolve, pause);
    });
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

/** Asks anew, at once. */
function refresh() {
  asking.abort();
  hurry();
}

function signedOut() {
  running = false;
  asking.abort();
  version = '';
  clear();
  show(supported() ? 'sign-in' : 'cannot');
}

function clear() {
  for (const card of cards.values()) {
    card.end();
  }
  cards.clear();
}

function draw(said) {
  version = said.version;
  part('who').textContent = said.user;
  part('device').textContent = `This is “${said.device}”.`;
  show('list');
  const waiting = new Set(said.waiting.map((login) => login.txid));
  for (const [txid, card] of cards) {
    if (!waiting.has(txid)) {
      card.end();
      cards.delete(txid);
    }
  }
  let fresh = false;
  for (const login of said.waiting) {
    const known = cards.get(login.txid);
    if (known) {
      known.left(login.left_seconds);
    } else {
      cards.set(login.txid, new Card(login));
      fresh = true;
    }
  }
  headline();
  if (fresh) {
    part('told').textContent = '';
    part('failed').textContent = '';
    navigator.vibrate?.(200);
  }
  offerNotices(said.notified);
}

function headline() {
  const count = cards.size;
  part('nothing').hidden = count > 0;
  part('heading').textContent =
    count === 0 ? 'Nothing waits' : count === 1 ? 'Is this you?' : `Are these you? ${count} logins`;
  document.title = count === 0 ? 'Countersign' : `(${count}) Countersign`;
}

/** One login on the page. */
class Card {
  constructor(login) {
    this.login = login;
    this.root = part('login').content.firstElementChild.cloneNode(true);
    const within = (selector) => this.root.querySelector(selector);
    const title = login.kind ? `${login.kind}: ${login.application}` : login.application;
    within('h2').textContent = title;
    this.root.setAttribute('aria-label', `Login to ${title}`);
    const rows = [
      ['User', login.user],
      ['From', login.ip],
      ['Through', login.client],
      ...login.info,
    ];
    for (const [name, value] of rows) {
      if (value) {
        const term = document.createElement('dt');
        term.textContent = name;
        const data = document.createElement('dd');
        data.textContent = value;
        within('dl').append(term, data);
      }
    }
    this.number = within('input');
    within('.number').hidden = !login.number;
    this.number.required = login.number === true;
    this.buttons = [...this.root.querySelectorAll('button')];
    within('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.approve();
    });
    within('.no').addEventListener('click', () => this.refuse('deny'));
    within('.fraud').addEventListener('click', () => this.refuse('fraud'));
    this.bar = within('progress');
    this.bar.max = Math.max(login.sent_seconds + login.left_seconds, 1);
    this.clock = within('.left');
    this.left(login.left_seconds);
    this.timer = setInterval(() => this.tick(), 1_000);
    part('logins').append(this.root);
  }

  left(seconds) {
    this.until = performance.now() + seconds * 1_000;
    this.tick();
  }

  tick() {
    const seconds = Math.max(Math.round((this.until - performance.now()) / 1_000), 0);
    this.bar.value = seconds;
    this.clock.textContent = seconds === 1 ? '1 second left' : `${seconds} seconds left`;
  }

  end() {
    clearInterval(this.timer);
    const focused = this.root.contains(document.activeElement);
    this.root.remove();
    if (focused) {
      part('main').focus();
    }
  }

  approve() {
    const { txid, application } = this.login;
    return once(this.buttons, async () => {
      const question = await ask('/app/approve/options', { txid });
      const response = await get(question);
      const number = this.login.number ? this.number.value.trim() : undefined;
      await this.answered('/app/approve', { txid, response, number });
      tell(`Approved: ${application}.`);
    });
  }

  refuse(answer) {
    const { txid, application } = this.login;
    return once(this.buttons, async () => {
      await this.answered('/app/refuse', { txid, answer });
      tell(
        answer === 'deny'
          ? `Denied: ${application}.`
          : `Denied and reported: ${application}. Somebody may know your password: change it.`,
      );
    });
  }

  async answered(path, body) {
    try {
      await ask(path, body);
    } finally {
      refresh();
    }
    cards.delete(this.login.txid);
    this.end();
    headline();
  }
}

// ---- Signing in and binding --------------------------------------------------------------------

async function signIn() {
  const question = await ask('/app/sign-in/options', {});
  await ask('/app/sign-in', { response: await get(question) });
  enter();
}

const tokenOf = ({ pathname }) => pathname.slice(APPROVE.length);

/** Says whose device an address binds, before anything is asked of the person. */
async function offerBinding() {
  try {
    const { user } = await ask('/app/bind/options', { token: tokenOf(location) });
    part('bind-who').textContent = user;
    show(supported() ? 'bind' : 'cannot');
  } catch (error) {
    if (error instanceof Refused && ['no_such_address', 'taken'].includes(error.word)) {
      show('wrong');
    } else {
      complain(error);
    }
  }
}

async function bind() {
  const token = tokenOf(location);
  const { options } = await ask('/app/bind/options', { token });
  await ask('/app/bind', { token, response: await create(options) });
  // The address of this phone was good once, and needs not be kept. A page that was opened there never is
  // the service worker's, and would wait for it for ever when notices are asked for.
  location.replace(`/app/${BOUND}`);
}

function enter() {
  part('failed').textContent = '';
  show('loading');
  follow();
}

async function signOut() {
  running = false;
  asking.abort();
  await unsubscribe();
  await ask('/app/sign-out', {});
  tell('You are signed out here.');
  signedOut();
}

// ---- Notices -------------------------------------------------------------------------------------

const worker = () => navigator.serviceWorker?.getRegistration('/app/');
let noticeKey;

async function offerNotices(notified) {
  if (!('PushManager' in window) || !('Notification' in window) || !navigator.serviceWorker) {
    return;
  }
  if (noticeKey === undefined) {
    noticeKey = await ask('/app/notices').then(
      (said) => said.key,
      () => null,
    );
  }
  const granted = notified && Notification.permission === 'granted';
  part('notify').hidden = noticeKey === null || granted;
}

async function subscribe() {
  if ((await Notification.requestPermission()) !== 'granted') {
    throw new Refused(0, {
      message: 'This browser does not allow notices from this page. Allow them in its settings.',
    });
  }
  const registration = await navigator.serviceWorker.ready;
  const subscription = await registration.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: octets(noticeKey),
  });
  const { endpoint, keys } = subscription.toJSON();
  await ask('/app/subscription', { endpoint, keys });
  part('notify').hidden = true;
  tell('You are notified when a login waits.');
}

async function unsubscribe() {
  const registration = await worker();
  const subscription = await registration?.pushManager?.getSubscription();
  if (subscription) {
    await subscription.unsubscribe();
    await ask('/app/subscription/delete', {});
  }
}

// ---- Begin ---------------------------------------------------------------------------------------

for (const [id, work] of [
  ['sign-in', signIn],
  ['bind', bind],
  ['sign-out', signOut],
  ['notify', subscribe],
]) {
  const button = part(id);
  button.addEventListener('click', () => once([button], work));
}
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') {
    refresh();
  }
});
window.addEventListener('online', refresh);
window.addEventListener('pageshow', (event) => event.persisted && refresh());

if ('serviceWorker' in navigator) {
  // Without one the page works too, but not without a network, nor with notices.
  navigator.serviceWorker.register('/app/sw.js', { scope: '/app/' }).catch(() => {});
}
if (location.pathname.startsWith(APPROVE)) {
  offerBinding();
} else {
  if (location.hash === BOUND) {
    history.replaceState(null, '', '/app/');
    tell('Done: this device approves your logins now. Add this page to your home screen.');
  }
  follow();
}
