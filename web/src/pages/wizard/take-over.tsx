/** A text is looked at, what it would change is shown, and then it is taken over. */
import { Alert, Button, SegmentedControl, Stack, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { ApiError, api, ask, askFor, type Schemas } from '@/api/client';
import { configurationChanged } from '@/api/queries';
import { useConfirm } from '@/components/confirm';
import { CopyBlock } from '@/components/copy';
import { Diff } from '@/components/diff';
import { Loading } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { inWords, onlyAdds } from './changes';
import { FindingsView } from './findings';
import { Fold } from './fold';
import { Onward } from './frame';
import { looked, type Sent } from './look';

interface Props {
  sent: Sent;
  /** What happens to what is there: left to whoever does it, or settled. */
  how: 'chosen' | 'merge' | 'replace';
  /** Whether the file was there before, and is not of the answers. */
  brought: boolean;
  message: string;
  /** Of the file that is the truth here; none where it is the database. */
  file: { path: string | null } | null;
  lead?: (diagnostic: Schemas['Diagnostic']) => { label: string; go: () => void } | undefined;
  back: () => void;
  /** The number of the revision; `null` where nothing had to be changed. */
  taken: (revision: number | null) => void;
  children?: ReactNode;
}

export function TakeOver(props: Props) {
  const { sent, brought, lead, back, children } = props;
  const look = useQuery(looked(sent));
  const found = look.data;
  const backButton = (
    <Button variant="default" onClick={back}>
      Back
    </Button>
  );
  return (
    <Stack gap="md">
      {children}
      <ProblemAlert error={look.error} retry={() => look.refetch()} />
      {look.isPending && <Loading />}
      {found && <FindingsView found={found} brought={brought} lead={lead} />}
      {found?.good && props.file && <IntoFile {...props} path={props.file.path} backButton={backButton} />}
      {found?.good && !props.file && <IntoDatabase {...props} backButton={backButton} />}
      {!found?.good && <Onward>{backButton}</Onward>}
    </Stack>
  );
}

function IntoDatabase({ sent, how, message, taken, backButton }: Props & { backButton: ReactNode }) {
  const client = useQueryClient();
  const [way, setWay] = useState<'merge' | 'replace'>(how === 'merge' ? 'merge' : 'replace');
  const merge = way === 'merge';
  const tried = useQuery({
    queryKey: ['wizard', 'import', sent, merge],
    queryFn: () =>
      ask(
        api.POST('/api/v1/config/import', {
          params: { query: { dry_run: true, merge } },
          body: sent,
        }),
      ),
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
  });
  const apply = useMutation({
    mutationFn: (based: string) =>
      ask(
        api.POST('/api/v1/config/import', {
          // What was shown is done, or nothing.
          params: { query: { merge, message }, header: { 'If-Match': based } },
          body: sent,
        }),
      ),
    onSuccess: async ({ revision }) => {
      await configurationChanged(client);
      taken(revision?.number ?? null);
    },
    onError: (error) => {
      if (error instanceof ApiError && error.kind === 'changed') void tried.refetch();
    },
  });
  const changed = apply.error instanceof ApiError && apply.error.kind === 'changed';
  return (
    <section aria-label="What changes">
      <Title order={3}>What changes</Title>
      {how === 'chosen' && (
        <Stack gap={4} my="xs">
          <SegmentedControl
            value={way}
            onChange={(value) => setWay(value as 'merge' | 'replace')}
            data={[
              { value: 'replace', label: 'Replace all' },
              { value: 'merge', label: 'Add to it' },
            ]}
            aria-label="What happens to what is there"
            style={{ alignSelf: 'flex-start' }}
          />
          <Text size="sm" c="dimmed">
            {merge
              ? 'Its sections are added whole; nothing that is there is changed.'
              : 'The file takes the place of all there is: what is not in it goes.'}
          </Text>
        </Stack>
      )}
      <Stack gap="sm" mt="xs">
        {tried.isPending && <Loading />}
        <ProblemAlert
          error={tried.error}
          title="It cannot be imported like this"
          retry={() => tried.refetch()}
        />
        {tried.data && <Changes differences={tried.data.differences} />}
        {changed ? (
          <Alert
            color="orange"
            title="Somebody else has changed the configuration in the meantime"
            role="alert"
          >
            <Text size="sm">The changes shown have been updated. Look at them again.</Text>
          </Alert>
        ) : (
          <ProblemAlert error={apply.error} />
        )}
      </Stack>
      <Onward>
        {backButton}
        <Button
          onClick={() => tried.data && apply.mutate(tried.data.based_on)}
          disabled={!tried.data || tried.isFetching}
          loading={apply.isPending}
        >
          {tried.data?.differences.length === 0 ? 'Go on' : 'Apply'}
        </Button>
      </Onward>
    </section>
  );
}

/** In words, and whole for whoever wants it: at once where something that is there changes or goes. */
function Changes({ differences }: { differences: Schemas['Difference'][] }) {
  if (differences.length === 0) return <Diff differences={differences} />;
  return (
    <>
      {inWords(differences).map((text) => (
        <Text size="sm" key={text} className="wrap">
          {text}
        </Text>
      ))}
      <Fold title="Every value of it" open={!onlyAdds(differences)}>
        <Diff differences={differences} />
      </Fold>
    </>
  );
}

/** Where a file is the truth: its text to take there, or written into it. */
function IntoFile({
  sent,
  path,
  message,
  taken,
  backButton,
}: Props & { path: string | null; backButton: ReactNode }) {
  const client = useQueryClient();
  const confirm = useConfirm();
  const here = path !== null;
  const withFiles = Object.keys(sent.files).length > 0;
  const look = useMutation({
    mutationFn: async () => {
      // Read before it is tried: if somebody writes the file after this, nothing is done.
      const { response } = await askFor(api.GET('/api/v1/config'));
      const tag = response.headers.get('etag');
      if (!tag)
        throw new Error('The gateway does not say which text it has. Put this one into the file yourself.');
      const header = { 'If-Match': tag };
      const body = { text: sent.text, name: sent.name };
      const tried = await ask(
        api.PUT('/api/v1/config', { params: { header, query: { dry_run: true } }, body }),
      );
      return { header, body, tried };
    },
    onSuccess: ({ header, body, tried }) =>
      confirm({
        title: `Replace ${path}?`,
        body: (
          <Stack gap="xs">
            <Text size="sm">
              This text takes the place of all that is in the file, comments too. A revision keeps what was
              served until now.
            </Text>
            <Diff differences={tried.differences} />
          </Stack>
        ),
        confirm: 'Replace the file',
        danger: true,
        action: async () => {
          const saved = await ask(api.PUT('/api/v1/config', { params: { header }, body }));
          await configurationChanged(client);
          taken(saved.reload?.revision ?? null);
        },
      }),
  });
  return (
    <section aria-label="Into the file">
      <Title order={3}>The configuration is a file here</Title>
      <Text size="sm" className="wrap" mt={4}>
        {here ? (
          <>
            This installation is configured by <b className="wrap">{path}</b>. Put these sections into it: it
            is read again by itself.
          </>
        ) : (
          'This installation is configured by a file of another control plane. Put these sections into it there.'
        )}
      </Text>
      <Stack gap="sm" mt="sm">
        <CopyBlock text={sent.text} label={message} />
        {withFiles && (
          <Text size="sm" className="wrap">
            Put these beside it: {Object.keys(sent.files).join(', ')}
          </Text>
        )}
      </Stack>
      <ProblemAlert error={look.error} />
      <Onward>
        {backButton}
        {here && !withFiles && (
          <Button variant="outline" color="red" onClick={() => look.mutate()} loading={look.isPending}>
            Replace the file with this text
          </Button>
        )}
        <Button onClick={() => taken(null)}>I have put it there</Button>
      </Onward>
    </section>
  );
}
