import { Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, ask, type Schemas } from '@/api/client';
import { TextLink } from '@/components/links';
import { OutcomeBadge, reasonOf, shownClient } from '@/components/login';
import { Loaded } from '@/components/page';
import { Time } from '@/components/time';
import { Section } from './section';

const SHOWN = 6;

/** The latest logins under this very name. */
export function RecentLogins({ name }: { name: string }) {
  const query = useQuery({
    queryKey: ['events', 'of-user', name, SHOWN],
    queryFn: async () => {
      const page = await ask(api.GET('/api/v1/events', { params: { query: { user: name, limit: SHOWN } } }));
      return (page as Schemas['PageOfEvents']).items;
    },
    refetchInterval: 5_000,
  });
  return (
    <Section
      title="Latest logins"
      actions={
        <TextLink to="/logins" search={{ user: name }} size="sm">
          All logins of {name}
        </TextLink>
      }
    >
      <Loaded query={query}>
        {(items) =>
          items.length === 0 ? (
            <Text size="sm" c="dimmed">
              None under exactly this name. For one with a domain, or in other letter case, look among all
              logins.
            </Text>
          ) : (
            <Stack gap={8} component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
              {items.map(({ event, seq }) => (
                <Group key={seq} component="li" gap="xs" justify="space-between">
                  <Group gap="xs">
                    <OutcomeBadge outcome={event.outcome} />
                    <TextLink to="/logins/$id" params={{ id: event.id }} size="sm" className="wrap">
                      {reasonOf(event)}
                    </TextLink>
                    <Text size="xs" c="dimmed" className="wrap">
                      {event.integration}, from {shownClient(event)}
                    </Text>
                  </Group>
                  <Text size="xs" c="dimmed">
                    <Time ms={event.at_ms} form="relative" />
                  </Text>
                </Group>
              ))}
            </Stack>
          )
        }
      </Loaded>
    </Section>
  );
}
