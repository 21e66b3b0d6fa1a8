import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import './styles.css';
import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { makeQueryClient } from './api/queries';
import { nonce } from './nonce';
import { makeRouter } from './router';
import { hearOtherTabs } from './session';
import { sessionElsewhere, watchSession } from './signed-out';
import { cssVariables, theme } from './theme';

// What locks the page behind a modal adds a style element, and looks here.
Object.assign(globalThis, { __webpack_nonce__: nonce() });

const client = makeQueryClient();
const router = makeRouter(client);

watchSession(client, router);
hearOtherTabs(() => sessionElsewhere(client, router, window.location));

// After an upgrade of the gateway a page that is open asks for parts that are there no more: the new ones
// come with a reload. Once, so that a gateway which is away is not asked without end.
window.addEventListener('vite:preloadError', (event) => {
  const last = Number(sessionStorage.getItem('reloaded-at'));
  if (Date.now() - last < 60_000) return;
  sessionStorage.setItem('reloaded-at', String(Date.now()));
  event.preventDefault();
  window.location.reload();
});

const place = document.getElementById('root');
if (!place) throw new Error('the page has no place for the dashboard');
createRoot(place).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariables}
      defaultColorScheme="auto"
      getStyleNonce={nonce}
    >
      <Notifications position="bottom-right" />
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
