import { Alert, Button, Group, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { ShieldAlert, ShieldCheck } from 'lucide-react';
import { CopyIcon } from '@/components/copy';
import { ProblemAlert } from '@/components/problem';
import { Time } from '@/components/time';
import { plural } from '@/lib/format';
import { type Verified, verify } from './queries';

/** The audit is gone over from its first entry, and what that came to is told. */
export function useProof() {
  return useMutation({
    mutationFn: async () => ({ verified: await verify(), at: Date.now() }),
  });
}

export function ProofButton({ proof }: { proof: ReturnType<typeof useProof> }) {
  return (
    <Button
      variant="default"
      leftSection={<ShieldCheck size={16} aria-hidden />}
      loading={proof.isPending}
      onClick={() => proof.mutate()}
    >
      Verify the audit
    </Button>
  );
}

export function Proof({ proof }: { proof: ReturnType<typeof useProof> }) {
  return (
    <div aria-live="polite">
      <ProblemAlert error={proof.error} />
      {proof.data && <Outcome verified={proof.data.verified} at={proof.data.at} />}
    </div>
  );
}

function Outcome({ verified, at }: { verified: Verified; at: number }) {
  const { whole, entries, link, fault } = verified;
  return (
    <Alert
      color={whole ? 'green' : 'red'}
      icon={whole ? <ShieldCheck size={18} aria-hidden /> : <ShieldAlert size={18} aria-hidden />}
      title={whole ? 'The audit is intact' : 'The audit is not intact'}
    >
      <Text size="sm" component="div">
        {whole ? (
          <>
            {plural(entries, 'entry', 'entries')} checked, <Time ms={at} />: each is as it was written, in its
            place, and none is missing.
          </>
        ) : (
          <>
            {inWords(fault)}
            {entries > 0 && ` Up to entry ${entries}, everything is as it was written.`} Somebody changed the
            database without this installation’s key: compare with a backup, and see who can write to the
            database.
          </>
        )}
      </Text>
      {entries > 0 && (
        <>
          <Text size="sm" mt={6}>
            Keep this value somewhere else: entry {entries} must still have it later. That shows that the
            whole database was not rolled back to an earlier state.
          </Text>
          <Group gap={4} wrap="nowrap">
            <Text size="sm" className="mono wrap">
              {link}
            </Text>
            <CopyIcon value={link} label="Copy the link of the last entry" />
          </Group>
        </>
      )}
    </Alert>
  );
}

/** `entry 4 is missing` as a sentence. */
function inWords(fault: string | null | undefined): string {
  return fault ? `${fault.charAt(0).toUpperCase()}${fault.slice(1)}.` : 'Entries were changed.';
}
