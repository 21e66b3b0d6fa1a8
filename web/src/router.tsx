import { Anchor, Button } from '@mantine/core';
import type { QueryClient } from '@tanstack/react-query';
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  Link,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';
import { Compass } from 'lucide-react';
import { ApiError } from './api/client';
import { sessionQuery } from './api/queries';
import { Empty } from './components/empty';
import { Loading, Page } from './components/page';
import { ProblemAlert } from './components/problem';
import { Shell } from './layout/shell';
import { forgetWanted, wanted } from './lib/sign-in-memory';

const root = createRootRouteWithContext<{ client: QueryClient }>()({
  beforeLoad: ({ location, preload }) => {
    // Where somebody wanted to go is reached, or another page is, or there is none at that address.
    if (!preload && location.href !== '/' && location.pathname !== '/sign-in') forgetWanted();
  },
  notFoundComponent: () => (
    <Page title="No such page">
      <Empty
        icon={Compass}
        title="There is no page at this address"
        action={
          <Anchor component={Link} to="/">
            To the overview
          </Anchor>
        }
      >
        It may have belonged to something that is gone.
      </Empty>
    </Page>
  ),
});

const setup = createRoute({
  getParentRoute: () => root,
  path: '/setup',
  component: lazyRouteComponent(() => import('./pages/setup'), 'SetupPage'),
});
const invitation = createRoute({
  getParentRoute: () => root,
  path: '/invitation',
  component: lazyRouteComponent(() => import('./pages/setup'), 'InvitationPage'),
});
const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (search: Record<string, unknown>): { to?: string; provider?: string; request?: string } => {
    const { to, provider, request } = texts(search);
    return { ...(to && { to }), ...(provider && { provider }), ...(request && { request }) };
  },
  component: lazyRouteComponent(() => import('./pages/sign-in'), 'SignInPage'),
});

/** Everything behind the sign-in. */
const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  beforeLoad: async ({ context, location, preload }) => {
    try {
      await context.client.ensureQueryData(sessionQuery);
      if (preload) return;
      // The provider leads back to the first page, whatever page somebody wanted. Forgotten only there: the
      // first load of a page may be begun twice.
      const kept = location.href === '/' ? wanted() : undefined;
      if (kept && kept !== '/') throw redirect({ href: kept, replace: true });
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        const to = location.href;
        throw redirect({ to: '/sign-in', search: to === '/' ? {} : { to } });
      }
      throw error;
    }
  },
  component: Shell,
});

/** Text, or nothing: what a search parameter may be. The pages say what each means. */
type Search = Record<string, string | undefined>;
function texts(search: Record<string, unknown>): Search {
  const kept: Search = {};
  for (const [name, value] of Object.entries(search)) {
    if (typeof value === 'string') kept[name] = value;
    else if (typeof value === 'number' || typeof value === 'boolean') kept[name] = String(value);
  }
  return kept;
}

const at = <P extends string>(path: P, load: Parameters<typeof lazyRouteComponent>[0], name: string) =>
  createRoute({
    getParentRoute: () => shell,
    path,
    validateSearch: texts,
    component: lazyRouteComponent(load, name),
  });

const overview = at('/', () => import('./pages/overview'), 'OverviewPage');
const wizard = at('/welcome', () => import('./pages/wizard'), 'WizardPage');
const logins = at('/logins', () => import('./pages/logins'), 'LoginsPage');
const login = at('/logins/$id', () => import('./pages/login'), 'LoginPage');
const tryLogin = at('/try-login', () => import('./pages/try-login'), 'TryLoginPage');
const integrations = at('/integrations', () => import('./pages/integrations'), 'IntegrationsPage');
/** Below `-`, as a thing may be called `new`. */
const newIntegration = at('/integrations/-/new', () => import('./pages/integration'), 'NewIntegrationPage');
const integration = at('/integrations/$id', () => import('./pages/integration'), 'IntegrationPage');
const authenticators = at('/authenticators', () => import('./pages/authenticators'), 'AuthenticatorsPage');
const newAuthenticator = at(
  '/authenticators/-/new',
  () => import('./pages/authenticator'),
  'NewAuthenticatorPage',
);
const authenticator = at('/authenticators/$id', () => import('./pages/authenticator'), 'AuthenticatorPage');
const settings = at('/settings', () => import('./pages/settings'), 'SettingsPage');
const configuration = at('/configuration', () => import('./pages/configuration'), 'ConfigurationPage');
const drafts = at('/drafts', () => import('./pages/drafts'), 'DraftsPage');
const draft = at('/drafts/$id', () => import('./pages/drafts'), 'DraftPage');
const revisions = at('/revisions', () => import('./pages/revisions'), 'RevisionsPage');
const revision = at('/revisions/$number', () => import('./pages/revisions'), 'RevisionPage');
const nodes = at('/nodes', () => import('./pages/nodes'), 'NodesPage');
const node = at('/nodes/$node', () => import('./pages/nodes'), 'NodePage');
const clients = at('/clients', () => import('./pages/clients'), 'SeenClientsPage');
const secondFactor = at('/second-factor', () => import('./pages/second-factor'), 'SecondFactorPage');
const user = at(
  '/second-factor/users/$name',
  () => import('./pages/second-factor-user'),
  'SecondFactorUserPage',
);
const tokens = at('/tokens', () => import('./pages/tokens'), 'TokensPage');
const administrators = at('/administrators', () => import('./pages/administrators'), 'AdministratorsPage');
const audit = at('/audit', () => import('./pages/audit'), 'AuditPage');
const account = at('/account', () => import('./pages/account'), 'AccountPage');

const tree = root.addChildren([
  setup,
  invitation,
  signIn,
  shell.addChildren([
    overview,
    wizard,
    logins,
    login,
    tryLogin,
    integrations,
    newIntegration,
    integration,
    authenticators,
    newAuthenticator,
    authenticator,
    settings,
    configuration,
    drafts,
    draft,
    revisions,
    revision,
    nodes,
    node,
    clients,
    secondFactor,
    user,
    tokens,
    administrators,
    audit,
    account,
  ]),
]);

/** Addresses have texts as they are: `unsigned=true`, and a user `007` is no number. */
const parseSearch = (text: string): Search => Object.fromEntries(new URLSearchParams(text));
function stringifySearch(search: Record<string, unknown>): string {
  const kept = Object.entries(search).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { client },
    parseSearch,
    stringifySearch,
    defaultPreload: 'intent',
    scrollRestoration: true,
    defaultPendingComponent: Loading,
    defaultErrorComponent: ({ error, reset }) => (
      <Page title="Something went wrong">
        <ProblemAlert error={error} />
        <Button
          variant="default"
          onClick={() => {
            reset();
            window.location.reload();
          }}
          style={{ alignSelf: 'flex-start' }}
        >
          Load the page again
        </Button>
      </Page>
    ),
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
