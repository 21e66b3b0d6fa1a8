import { Alert, Button, Code, Group, List, Text } from '@mantine/core';
import { TriangleAlert } from 'lucide-react';
import { ApiError } from '@/api/client';

/** What happened, field by field, and the id under which the gateway's log has it. */
export function ProblemAlert({
  error,
  retry,
  title,
}: {
  error: unknown;
  retry?: () => void;
  title?: string;
}) {
  if (!error) return null;
  const known = error instanceof ApiError ? error : null;
  return (
    <Alert
      color="red"
      icon={<TriangleAlert size={18} aria-hidden />}
      title={title ?? known?.problem.title ?? 'This page has a fault'}
      role="alert"
    >
      <Text size="sm" className="wrap">
        {known ? known.problem.detail : error instanceof Error ? error.message : String(error)}
      </Text>
      {known?.problem.errors && known.problem.errors.length > 0 && (
        <List size="sm" mt={4}>
          {known.problem.errors.map((fault) => (
            <List.Item key={`${fault.path} ${fault.message}`} className="wrap">
              <Code>{fault.path}</Code> {fault.message}
            </List.Item>
          ))}
        </List>
      )}
      {known?.retryAfter && <Text size="sm">Try again in {known.retryAfter} s.</Text>}
      <Group mt={6} gap="sm">
        {retry && (
          <Button size="compact-sm" variant="default" onClick={retry}>
            Try again
          </Button>
        )}
        {known?.requestId && (
          <Text size="xs" c="dimmed" className="wrap">
            Request <span className="mono">{known.requestId}</span>
          </Text>
        )}
      </Group>
    </Alert>
  );
}
