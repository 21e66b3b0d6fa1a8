/** What was configured when, by whom and why. */
import { Anchor, Button, Group, Table, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { History, SearchX } from 'lucide-react';
import { useState } from 'react';
import { aboutQuery, nodesQuery } from '@/api/queries';
import { Empty } from '@/components/empty';
import { Loaded, Page } from '@/components/page';
import { Cell, StackedTable } from '@/components/stacked';
import { Time } from '@/components/time';
import { plural } from '@/lib/format';
import { useSession } from '@/session';
import { type Filter, revisionsQuery } from './revisions/queries';
import { RevisionState } from './revisions/state';

export { RevisionPage } from './revisions/one';

export function RevisionsPage() {
  const search = useSearch({ strict: false }) as Filter;
  const navigate = useNavigate();
  const query = useQuery(revisionsQuery(search));
  const about = useQuery(aboutQuery);
  const nodes = useQuery(nodesQuery).data?.items;
  const { may } = useSession();
  const go = (next: Filter, replace = false) =>
    void navigate({ to: '/revisions', search: { ...next }, replace });
  const filtered = !!search.author || !!search.q || !!search.cursor;
  return (
    <Page
      title="Revisions"
      lead="Each change of the configuration creates one. The last 1,000 are kept, and you can go back to any of them."
    >
      <Filters key={`${search.author} ${search.q}`} filter={search} onChange={(next) => go(next, true)} />
      <Loaded query={query}>
        {({ items, next, total }) =>
          items.length === 0 ? (
            <Empty
              icon={filtered ? SearchX : History}
              title={filtered ? 'No revision matches' : 'No revisions yet'}
              action={
                filtered ? (
                  <Button variant="default" onClick={() => go({})}>
                    Show all
                  </Button>
                ) : may('admin') ? (
                  <Button component={Link} to="/configuration">
                    Import a configuration
                  </Button>
                ) : undefined
              }
            >
              {filtered
                ? 'Who made it is compared as a whole: “admin alice”, “token ci”.'
                : 'The first integration makes the first one, and so does a configuration that is brought in.'}
            </Empty>
          ) : (
            <>
              <Text size="sm" c="dimmed" role="status">
                {plural(total, 'revision')}, the newest first
              </Text>
              <StackedTable label="Revisions" columns={['Revision', 'Why', 'Made by', 'When']}>
                {items.map((one) => (
                  <Table.Tr key={one.number}>
                    <Cell of="Revision">
                      <Group gap="xs" wrap="nowrap">
                        <Anchor component={Link} to={`/revisions/${one.number}`} size="sm">
                          <span className="nowrap">Revision {one.number}</span>
                        </Anchor>
                        {nodes && (
                          <RevisionState
                            newest={about.data?.revision === one.number}
                            refusedBy={nodes
                              .filter(({ refused }) => refused?.revision === one.number)
                              .map(({ node }) => node)}
                            applied={nodes.some(({ applied }) => applied === one.number)}
                          />
                        )}
                      </Group>
                    </Cell>
                    <Cell of="Why">{one.message || <Text c="dimmed">no reason given</Text>}</Cell>
                    <Cell of="Made by">
                      <Anchor
                        component="button"
                        type="button"
                        size="sm"
                        ta="start"
                        onClick={() => go({ author: one.author })}
                        aria-label={`Only those by ${one.author}`}
                      >
                        {one.author}
                      </Anchor>
                    </Cell>
                    <Cell of="When">
                      <Time ms={one.created_at_ms} />
                    </Cell>
                  </Table.Tr>
                ))}
              </StackedTable>
              <Group justify="flex-end" gap="xs">
                {search.cursor && (
                  <Button variant="default" onClick={() => go({ author: search.author, q: search.q })}>
                    The newest
                  </Button>
                )}
                {next && (
                  <Button variant="default" onClick={() => go({ ...search, cursor: next })}>
                    Older
                  </Button>
                )}
              </Group>
            </>
          )
        }
      </Loaded>
    </Page>
  );
}

function Filters({ filter, onChange }: { filter: Filter; onChange: (filter: Filter) => void }) {
  const [author, setAuthor] = useState(filter.author ?? '');
  const [q, setQ] = useState(filter.q ?? '');
  const search = () => onChange({ ...(author ? { author } : {}), ...(q ? { q } : {}) });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        search();
      }}
    >
      <Group gap="sm" align="flex-end">
        <TextInput
          label="Search"
          placeholder="why or who"
          value={q}
          onChange={(e) => setQ(e.currentTarget.value)}
        />
        <TextInput
          label="Made by"
          placeholder="admin alice"
          value={author}
          onChange={(e) => setAuthor(e.currentTarget.value)}
        />
        <Button type="submit" variant="default">
          Show
        </Button>
        {(filter.author || filter.q) && (
          <Button variant="subtle" onClick={() => onChange({})}>
            Show all
          </Button>
        )}
      </Group>
    </form>
  );
}
