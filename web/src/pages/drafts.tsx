/** Changes that were kept for later: what each would change, and what becomes of it. */
import { Anchor, Button, Paper, Stack, Table, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { FilePen, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { ApiError, api, ask } from '@/api/client';
import { draftsQuery } from '@/api/queries';
import { useConfirm } from '@/components/confirm';
import { Empty } from '@/components/empty';
import { Loaded, Page } from '@/components/page';
import { DraftReview, draftQuery } from '@/components/review';
import { Actions, Cell, StackedTable } from '@/components/stacked';
import { Time } from '@/components/time';
import { plural } from '@/lib/format';
import { useSession } from '@/session';
import { revisionNumber } from './revisions/queries';

export function DraftsPage() {
  const query = useQuery(draftsQuery);
  const remove = useRemove();
  const { may } = useSession();
  return (
    <Page
      title="Drafts"
      lead="Changes that were kept for later. A draft is applied as one revision, or not at all; until then nothing of it is served."
    >
      <Loaded query={query}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty
              icon={FilePen}
              title="No drafts"
              action={
                <Button component={Link} to="/integrations" variant="default">
                  To the integrations
                </Button>
              }
            >
              Change an integration, an authenticator or the settings, and choose “Keep as draft” where the
              change is reviewed. Several changes can go into one draft, and somebody else can look at it
              before it is applied.
            </Empty>
          ) : (
            <StackedTable label="Drafts" columns={['Draft', 'Why', 'Made by', 'When', 'Writes']} actions>
              {items.map((draft) => (
                <Table.Tr key={draft.id}>
                  <Cell of="Draft">
                    <Anchor component={Link} to={`/drafts/${draft.id}`} size="sm" className="nowrap">
                      Draft {draft.id}
                    </Anchor>
                  </Cell>
                  <Cell of="Why">{draft.message || <Text c="dimmed">no reason</Text>}</Cell>
                  <Cell of="Made by">{draft.author}</Cell>
                  <Cell of="When">
                    <Time ms={draft.created_at_ms} form="relative" />
                  </Cell>
                  <Cell of="Writes">{draft.writes}</Cell>
                  <Actions>
                    {may('admin') && (
                      <Button
                        size="compact-sm"
                        variant="subtle"
                        color="red"
                        onClick={() => remove(draft)}
                        aria-label={`Delete draft ${draft.id}`}
                      >
                        Delete
                      </Button>
                    )}
                  </Actions>
                </Table.Tr>
              ))}
            </StackedTable>
          )
        }
      </Loaded>
    </Page>
  );
}

/** Asks, and deletes a draft. */
function useRemove(gone?: () => void) {
  const confirm = useConfirm();
  const client = useQueryClient();
  return (draft: { id: number; message: string; writes: number }) =>
    confirm({
      title: `Delete draft ${draft.id}?`,
      body: `${draft.message ? `“${draft.message}”: ` : ''}its ${plural(draft.writes, 'write')} cannot be brought back. What is served does not change.`,
      confirm: `Delete draft ${draft.id}`,
      danger: true,
      action: async () => {
        await ask(api.DELETE('/api/v1/drafts/{id}', { params: { path: { id: String(draft.id) } } }));
        gone?.();
        client.removeQueries({ queryKey: ['drafts', draft.id] });
        await client.invalidateQueries({ queryKey: ['drafts'], exact: true });
        notifications.show({ message: `Draft ${draft.id} is deleted.` });
      },
    });
}

export function DraftPage() {
  const { id } = useParams({ strict: false });
  const number = revisionNumber(id) ?? 0;
  const [applied, setApplied] = useState(false);
  const query = useQuery({ ...draftQuery(number), retry: false, enabled: !applied });
  const navigate = useNavigate();
  const { may } = useSession();
  const back = () => void navigate({ to: '/drafts' });
  const remove = useRemove(back);
  if (query.error instanceof ApiError && query.error.status === 404 && !query.data) {
    return (
      <Page title={`Draft ${id}`}>
        <Empty
          icon={FilePen}
          title={`There is no draft ${id}`}
          action={
            <Anchor component={Link} to="/drafts">
              To the drafts
            </Anchor>
          }
        >
          It was applied or deleted. What was applied is a revision.
        </Empty>
      </Page>
    );
  }
  return (
    <Page
      title={`Draft ${id}`}
      lead={
        query.data && (
          <Text size="sm" component="span" className="wrap">
            {query.data.message ? `${query.data.message}. ` : ''}
            {plural(query.data.writes, 'write')} by {query.data.author},{' '}
            <Time ms={query.data.created_at_ms} form="relative" />
          </Text>
        )
      }
      actions={
        query.data &&
        !applied &&
        may('admin') && (
          <Button
            variant="default"
            leftSection={<Trash2 size={16} aria-hidden />}
            onClick={() => query.data && remove(query.data)}
          >
            Delete
          </Button>
        )
      }
    >
      {query.data ? (
        // It says itself what goes wrong; once it is applied, that there is none any more is no fault.
        <Paper withBorder p="md" radius="md">
          <Stack gap="sm">
            <DraftReview
              id={number}
              applied={() => setApplied(true)}
              closed={() => {
                setApplied(true);
                back();
              }}
            />
            {!may('admin') && (
              <Text size="sm" c="dimmed">
                The role admin may apply or delete it.
              </Text>
            )}
          </Stack>
        </Paper>
      ) : (
        <Loaded query={query}>{() => null}</Loaded>
      )}
    </Page>
  );
}
