import { Anchor, Button, Code, Group, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { MonitorSmartphone } from 'lucide-react';
import { aboutQuery } from '@/api/queries';
import { Empty } from '@/components/empty';

/** The built-in second factor does not run: why, and how it is begun with. */
export function NotUsed() {
  const about = useQuery(aboutQuery);
  const where = about.data?.configuration;
  return (
    <Empty
      icon={MonitorSmartphone}
      title="The built-in second factor is not used"
      action={
        <Group justify="center" gap="xs" mt="xs">
          <Button component={Link} to={where?.kind === 'file' ? '/configuration' : '/integrations'}>
            {where?.kind === 'file' ? 'To the configuration' : 'To the integrations'}
          </Button>
          {where?.kind !== 'file' && (
            <Button component={Link} to="/welcome" variant="default">
              Set up, step by step
            </Button>
          )}
        </Group>
      }
    >
      <Text size="sm">
        It runs where an integration has the host <Code>builtin</Code> in place of Duo’s. None does now, so
        there are no users here: Duo’s users are in Duo’s own Admin Panel, and Duo still asks them.
      </Text>
      {where?.kind === 'file' && (
        <Text size="sm" mt="xs">
          The configuration is a file
          {where.path && (
            <>
              {' '}
              (<Code className="wrap">{where.path}</Code>)
            </>
          )}
          : set <Code>api_host=builtin</Code> in a server section there.
        </Text>
      )}
      <Text size="sm" mt="xs">
        What it did is in the{' '}
        <Anchor component={Link} to="/logins" inherit underline="always">
          logins
        </Anchor>
        .
      </Text>
    </Empty>
  );
}
