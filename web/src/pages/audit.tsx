/** Who did what, when, from where; and the proof that nothing of it was changed. */
import { Button, Group, Text } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { ScrollText, SearchX } from 'lucide-react';
import { useMemo, useRef, useState } from 'react';
import { Empty } from '@/components/empty';
import { Loading, Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { plural } from '@/lib/format';
import { ExportButton } from './audit/export';
import { type Filter, filterOf } from './audit/filter';
import { Filters } from './audit/filters';
import { Proof, ProofButton, useProof } from './audit/proof';
import { auditQuery } from './audit/queries';
import { AuditTable } from './audit/table';

export function AuditPage() {
  const search = useSearch({ from: '/shell/audit' });
  const navigate = useNavigate({ from: '/audit' });
  const filter = useMemo(() => filterOf(search), [search]);
  const query = useInfiniteQuery(auditQuery(filter));
  const proof = useProof();
  const [exportFailed, setExportFailed] = useState<unknown>(null);
  const told = useRef<HTMLParagraphElement>(null);
  const older = async () => {
    // Of the last page the button is gone.
    if (!(await query.fetchNextPage()).hasNextPage) told.current?.focus();
  };
  const narrow = (next: Filter) => void navigate({ search: { ...next }, resetScroll: false });
  const entries = query.data?.pages.flatMap(({ items }) => items) ?? [];
  const filtered = Object.keys(filter).length > 0;
  return (
    <Page
      title="Audit"
      lead="Who did what, when and from where. Entries are only ever added, and each is chained to all those before it."
      actions={
        <>
          <ProofButton proof={proof} />
          <ExportButton filter={filter} failed={setExportFailed} />
        </>
      }
    >
      <Proof proof={proof} />
      <ProblemAlert error={exportFailed} title="Nothing was exported" />
      <Filters filter={filter} entries={entries} onChange={narrow} />
      <ProblemAlert error={query.error} retry={() => void query.refetch()} />
      {query.isPending && <Loading />}
      {query.data && entries.length === 0 && (
        <Empty
          icon={filtered ? SearchX : ScrollText}
          title={filtered ? 'No entry matches' : 'Nothing has been done yet'}
          action={
            filtered ? (
              <Button variant="default" onClick={() => narrow({})}>
                Show all
              </Button>
            ) : undefined
          }
        >
          {filtered
            ? 'Names must match in full, letter for letter: “admin alice”, “revision 7”.'
            : 'Every change made here, and every sign-in, becomes an entry.'}
        </Empty>
      )}
      {entries.length > 0 && (
        <>
          <AuditTable entries={entries} narrow={narrow} />
          <Group justify="space-between">
            <Text size="sm" c="dimmed" role="status" ref={told} tabIndex={-1} style={{ outline: 'none' }}>
              {plural(entries.length, 'entry', 'entries')}, newest first
              {query.hasNextPage ? '' : '; this is all of them'}
            </Text>
            {query.hasNextPage && (
              <Button variant="default" onClick={older} loading={query.isFetchingNextPage}>
                Show older
              </Button>
            )}
          </Group>
        </>
      )}
    </Page>
  );
}
