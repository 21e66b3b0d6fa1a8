/** The whole configuration as text: read, changed, checked while it is typed, and brought in. */
import { Alert, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { ApiError, type Schemas } from '@/api/client';
import { aboutQuery } from '@/api/queries';
import { Loaded, Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { useSession } from '@/session';
import { EMPTY, type Source, sheetQuery } from './configuration/source';
import { Workbench } from './configuration/workbench';

export function ConfigurationPage() {
  const about = useQuery(aboutQuery);
  return (
    <Page title="Text editor" lead="The whole configuration as one authproxy.cfg, checked as you type.">
      <Loaded query={about}>{(data) => <Whole about={data} />}</Loaded>
    </Page>
  );
}

function Whole({ about }: { about: Schemas['About'] }) {
  const { may } = useSession();
  const { configuration, revision } = about;
  const path = configuration.kind === 'file' ? configuration.path : null;
  const elsewhere = configuration.kind === 'file' && path === null;
  const source = useMemo<Source>(
    () => (path === null ? { kind: 'database' } : { kind: 'file', path }),
    [path],
  );
  const editable = may('admin') && !elsewhere;
  // There is nothing to read before the first revision.
  const [none] = useState(revision === null);
  const [round, setRound] = useState(0);
  const sheet = useQuery(sheetQuery(source, editable, none && round === 0));
  const notCarried = sheet.error instanceof ApiError && sheet.error.kind === 'invalid';
  return (
    <>
      {elsewhere ? (
        <Alert color="blue" title="It is changed in a file of another control plane">
          <Text size="sm">What is served is shown here. Open the page there to change it.</Text>
        </Alert>
      ) : !may('admin') ? (
        <Alert color="blue" title="To read">
          <Text size="sm">The role admin may change it. Secrets are left out.</Text>
        </Alert>
      ) : (
        <Text size="sm" className="wrap">
          {source.kind === 'file'
            ? `This is ${source.path}, as it was typed. Its secrets are shown as sealed values: left as they are, they stay; to change one, write the new one in its place. Comments are shown as they are.`
            : 'Secrets are sealed values that only this installation can open: left unchanged, they stay the same. To change one, take _protected out of the option’s name and write the secret behind the =.'}{' '}
          {source.kind === 'database' && 'Comments are not kept. '}The audit records who opens this page.
        </Text>
      )}
      {notCarried ? (
        <>
          <ProblemAlert error={sheet.error} title="No file can hold this configuration" />
          <Workbench
            source={source}
            loaded={EMPTY}
            readOnly={!editable}
            onReload={() => void sheet.refetch()}
          />
        </>
      ) : (
        <Loaded query={sheet}>
          {(loaded) => (
            <Workbench
              source={source}
              loaded={loaded}
              readOnly={!editable}
              onReload={async () => {
                await sheet.refetch();
                setRound((before) => before + 1);
              }}
            />
          )}
        </Loaded>
      )}
    </>
  );
}
