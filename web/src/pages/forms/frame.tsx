/** What every form of a document has around its fields: why it cannot be changed, what is wrong, and the way on. */
import { Alert, Anchor, Button, Code, Group, List, Loader, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { FileCode2, Users } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import { ApiError } from '@/api/client';
import { aboutQuery } from '@/api/queries';
import { UnsavedGuard } from '@/components/guard';
import { ProblemAlert } from '@/components/problem';
import { plural } from '@/lib/format';
import { useSession } from '@/session';
import { withoutField } from './faults';
import classes from './forms.module.css';
import { type Form, FormProvider } from './state';

/** Why nothing can be changed here, or nothing where it can. */
export function useReadOnly(): { readOnly: boolean; banner: ReactNode } {
  const { may } = useSession();
  const { data, error, refetch } = useQuery(aboutQuery);
  const truth = data?.configuration;
  if (truth?.kind === 'file') {
    return {
      readOnly: true,
      banner: (
        <Alert color="blue" icon={<FileCode2 size={18} aria-hidden />} title="The configuration is a file">
          <Text size="sm" className="wrap">
            {truth.path ? (
              <>
                It is in <Code>{truth.path}</Code>
              </>
            ) : (
              'It is a file of another control plane'
            )}{' '}
            and is read again when it changes, so nothing is changed here.{' '}
            <Anchor component={Link} to="/configuration" size="sm" underline="always">
              Open it as text
            </Anchor>
          </Text>
        </Alert>
      ),
    };
  }
  if (!may('admin')) {
    return {
      readOnly: true,
      banner: (
        <Alert color="blue" icon={<Users size={18} aria-hidden />} title="You may look at this">
          <Text size="sm">Only administrators with the role admin change the configuration.</Text>
        </Alert>
      ),
    };
  }
  if (data === undefined && error) {
    return {
      readOnly: true,
      banner: (
        <ProblemAlert
          error={error}
          retry={() => void refetch()}
          title="Whether this can be changed here is not known"
        />
      ),
    };
  }
  return { readOnly: data === undefined, banner: null };
}

export function FormFrame({
  form,
  what,
  fields,
  action,
  onReview,
  children,
}: {
  form: Form;
  /** Names the thing: `vpn`, `this new integration`. */
  what: string;
  /** The paths that have a field: faults elsewhere are shown at the top. */
  fields: readonly string[];
  /** What the button says. */
  action: string;
  onReview: () => Promise<unknown>;
  children: ReactNode;
}) {
  const [busy, setBusy] = useState(false);
  const top = withoutField(form.faults, fields);
  const review = async () => {
    if (busy) return;
    form.reveal();
    setBusy(true);
    try {
      // A draft takes what cannot be applied, too: it may be one write of several.
      await form.check();
      await onReview();
    } catch (error) {
      form.refused(error);
      if (error instanceof ApiError && error.kind === 'invalid') focusFirstFault();
    } finally {
      setBusy(false);
    }
  };
  return (
    <FormProvider value={form}>
      <UnsavedGuard dirty={form.dirty && !form.readOnly} what={what} />
      {form.outdated && form.dirty && (
        <Alert color="orange" title={`Somebody changed ${what} meanwhile`} role="alert">
          <Text size="sm">
            Load theirs: your changes here are lost. Keep mine: your changes go on top of theirs, and the
            review shows the result.
          </Text>
          <Group gap="xs" mt="xs">
            <Button size="compact-sm" variant="default" onClick={form.takeTheirs}>
              Load theirs
            </Button>
            <Button size="compact-sm" variant="default" onClick={form.keepMine}>
              Keep mine
            </Button>
          </Group>
        </Alert>
      )}
      <ProblemAlert error={form.problem} />
      {top.length > 0 && (
        <Alert color="red" title="It cannot be applied as it is" role="alert">
          <List size="sm">
            {top.map((fault) => (
              <List.Item key={fault.path + fault.message} className="wrap">
                <Code>{fault.path}</Code> {fault.message}
              </List.Item>
            ))}
          </List>
        </Alert>
      )}
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (form.dirty) void review();
        }}
      >
        {children}
        {!form.readOnly && (form.dirty || form.fresh) && (
          <div className={classes.bar}>
            <Group justify="space-between" gap="xs">
              <Group gap="xs" aria-live="polite">
                <Text size="sm" c={form.faults.length > 0 ? 'red' : 'dimmed'}>
                  {form.faults.length > 0
                    ? plural(form.faults.length, 'fault')
                    : form.fresh
                      ? 'Not saved yet'
                      : `${plural(form.count, 'field')} changed`}
                </Text>
                {form.checking && <Loader size="xs" aria-label="Being checked" role="status" />}
              </Group>
              <Group gap="xs">
                {form.dirty && (
                  <Button variant="default" onClick={form.reset} disabled={busy}>
                    Reset
                  </Button>
                )}
                <Button type="submit" loading={busy} disabled={!form.dirty || form.outdated}>
                  {action}
                </Button>
              </Group>
            </Group>
          </div>
        )}
      </form>
    </FormProvider>
  );
}

/** Whoever cannot see the page is taken to what is wrong. */
function focusFirstFault() {
  requestAnimationFrame(() => {
    const field = document.querySelector<HTMLElement>('main [aria-invalid="true"]');
    field?.focus();
  });
}
