// Shows the app where there is no network, and notices where no page is open. It keeps no login.

const KEPT = 'countersign-app';
const FILES = [
  '/app/',
  '/app/app.css',
  '/app/app.js',
  '/app/icon.svg',
  '/app/icon-192.png',
  '/app/manifest.webmanifest',
  '/assets/webauthn.js',
];

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(FILES)));
  self.skipWaiting();
});

self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== 'GET' || origin !== self.location.origin || !FILES.includes(pathname)) {
    return;
  }
  event.respondWith(newest(event.request, pathname));
});

/** What the service has now; without it, what it had. */
async function newest(request, pathname) {
  const cache = await caches.open(KEPT);
  try {
    const response = await fetch(request);
    if (response.ok) {
      await cache.put(pathname, response.clone());
    }
    return response;
  } catch (error) {
    const kept = await cache.match(pathname);
    if (kept) {
      return kept;
    }
    throw error;
  }
}

self.addEventListener('push', (event) => {
  let said = {};
  try {
    said = event.data?.json() ?? {};
  } catch {
    // A notice that cannot be read still says that something waits.
  }
  const from = said.from ? ` from ${said.from}` : '';
  event.waitUntil(
    self.registration.showNotification('Is this you?', {
      body: said.application ? `A login to ${said.application}${from} waits.` : 'A login waits.',
      icon: '/app/icon-192.png',
      badge: '/app/icon-192.png',
      tag: 'countersign-login',
      renotify: true,
    }),
  );
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(
    (async () => {
      const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
      const open = pages.find((page) => new URL(page.url).pathname.startsWith('/app'));
      if (open) {
        await open.focus();
      } else {
        await self.clients.openWindow('/app/');
      }
    })(),
  );
});
