import {
  ActionIcon,
  AppShell,
  Burger,
  Group,
  Menu,
  NavLink,
  ScrollArea,
  Text,
  Tooltip,
  useMantineColorScheme,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useRouter, useRouterState } from '@tanstack/react-router';
import {
  Activity,
  Boxes,
  CircleUser,
  FileCode2,
  FilePen,
  Gauge,
  History,
  KeyRound,
  type LucideIcon,
  MonitorSmartphone,
  Moon,
  Network,
  RadioTower,
  ScrollText,
  Server,
  Settings,
  ShieldCheck,
  Sun,
  SunMoon,
  UserCog,
  Users,
} from 'lucide-react';
import { useEffect, useRef } from 'react';
import { ApiError, api, ask } from '@/api/client';
import { ConfirmProvider, useConfirm } from '@/components/confirm';
import { ReviewProvider } from '@/components/review';
import { hasUnsaved } from '@/lib/unsaved';
import { sessionChanged, useSession } from '@/session';

const NAVIGATION: { heading: string | null; links: { to: string; label: string; icon: LucideIcon }[] }[] = [
  {
    heading: null,
    links: [
      { to: '/', label: 'Overview', icon: Gauge },
      { to: '/logins', label: 'Logins', icon: Activity },
    ],
  },
  {
    heading: 'Configuration',
    links: [
      { to: '/integrations', label: 'Integrations', icon: Network },
      { to: '/authenticators', label: 'Authenticators', icon: Boxes },
      { to: '/settings', label: 'Settings', icon: Settings },
      { to: '/configuration', label: 'Text editor', icon: FileCode2 },
      { to: '/drafts', label: 'Drafts', icon: FilePen },
      { to: '/revisions', label: 'Revisions', icon: History },
    ],
  },
  {
    heading: 'Operation',
    links: [
      { to: '/nodes', label: 'Nodes', icon: Server },
      { to: '/clients', label: 'Clients seen', icon: RadioTower },
      { to: '/second-factor', label: 'Second factor', icon: MonitorSmartphone },
    ],
  },
  {
    heading: 'Access',
    links: [
      { to: '/administrators', label: 'Administrators', icon: Users },
      { to: '/tokens', label: 'Tokens', icon: KeyRound },
      { to: '/audit', label: 'Audit', icon: ScrollText },
    ],
  },
];

function ColourScheme() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const next = colorScheme === 'auto' ? 'light' : colorScheme === 'light' ? 'dark' : 'auto';
  const Icon = colorScheme === 'auto' ? SunMoon : colorScheme === 'light' ? Sun : Moon;
  const name = { auto: 'as the system', light: 'light', dark: 'dark' };
  return (
    <Tooltip label={`Colours: ${name[colorScheme]}`}>
      <ActionIcon
        variant="subtle"
        size="lg"
        onClick={() => setColorScheme(next)}
        aria-label={`Colours are ${name[colorScheme]}; change to ${name[next]}`}
      >
        <Icon size={18} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}

function Account() {
  const { caller, role } = useSession();
  const client = useQueryClient();
  const router = useRouter();
  const confirm = useConfirm();
  const end = async () => {
    try {
      await ask(api.DELETE('/api/v1/session'));
    } catch (error) {
      // Without its answer the session goes on: nobody may believe that it is over.
      if (!(error instanceof ApiError && error.status === 401)) throw error;
    }
    sessionChanged(client);
    await router.navigate({ to: '/sign-in', ignoreBlocker: true });
  };
  const signOut = () => {
    // Asked before the session is over: afterwards there would be nothing to stay for.
    if (hasUnsaved()) {
      confirm({
        title: 'Sign out without saving?',
        body: 'Your changes here will be lost.',
        confirm: 'Sign out',
        action: end,
      });
      return;
    }
    end().catch((error: unknown) =>
      notifications.show({
        color: 'red.9',
        autoClose: false,
        title: 'You are still signed in',
        message: error instanceof Error ? error.message : String(error),
      }),
    );
  };
  return (
    // Without what takes the focus before the first item: a menu has items alone.
    <Menu position="bottom-end" withinPortal withInitialFocusPlaceholder={false}>
      <Menu.Target>
        <ActionIcon variant="subtle" size="lg" aria-label={`Account: ${caller}`}>
          <CircleUser size={20} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {caller}
          <br />
          role {role}
        </Menu.Label>
        <Menu.Item component={Link} to="/account" leftSection={<UserCog size={16} aria-hidden />}>
          Your account
        </Menu.Item>
        <Menu.Item onClick={signOut}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

/** The frame of every page behind the sign-in. */
export function Shell() {
  const [opened, { toggle, close }] = useDisclosure();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const main = useRef<HTMLElement>(null);
  const last = useRef(path);
  useEffect(() => {
    if (last.current === path) return;
    last.current = path;
    close();
    // A screen reader begins anew with the page; the keyboard too.
    main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [path, close]);

  return (
    <ConfirmProvider>
      <ReviewProvider>
        <a className="skip" href="#main">
          To the content
        </a>
        <AppShell
          header={{ height: 52 }}
          navbar={{ width: 216, breakpoint: 'sm', collapsed: { mobile: !opened } }}
          padding={{ base: 'sm', sm: 'lg' }}
        >
          <AppShell.Header>
            <Group h="100%" px="sm" justify="space-between" wrap="nowrap">
              <Group gap="xs" wrap="nowrap">
                <Burger
                  opened={opened}
                  onClick={toggle}
                  hiddenFrom="sm"
                  size="sm"
                  aria-label={opened ? 'Close the navigation' : 'Open the navigation'}
                  aria-expanded={opened}
                />
                <ShieldCheck size={22} aria-hidden color="var(--mantine-color-anchor)" />
                <Text fw={700}>Countersign</Text>
              </Group>
              <Group gap={4} wrap="nowrap">
                <ColourScheme />
                <Account />
              </Group>
            </Group>
          </AppShell.Header>
          <AppShell.Navbar p="xs" aria-label="Pages">
            <ScrollArea>
              {NAVIGATION.map(({ heading, links }) => (
                <div key={heading ?? ''}>
                  {heading && <div className="nav-heading">{heading}</div>}
                  {links.map(({ to, label, icon: Icon }) => {
                    const active = to === '/' ? path === '/' : path === to || path.startsWith(`${to}/`);
                    return (
                      <NavLink
                        key={to}
                        component={Link}
                        to={to}
                        // Also where it leads to the page that is shown already.
                        onClick={close}
                        label={label}
                        active={active}
                        aria-current={active ? 'page' : undefined}
                        leftSection={<Icon size={17} aria-hidden />}
                        py={7}
                        style={{ borderRadius: 'var(--mantine-radius-md)' }}
                      />
                    );
                  })}
                </div>
              ))}
            </ScrollArea>
          </AppShell.Navbar>
          <AppShell.Main id="main" ref={main} tabIndex={-1} style={{ outline: 'none' }}>
            <Outlet />
          </AppShell.Main>
        </AppShell>
      </ReviewProvider>
    </ConfirmProvider>
  );
}
