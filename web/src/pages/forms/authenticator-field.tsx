import { Anchor, NativeSelect, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { authenticatorsQuery } from '@/api/queries';
import { KIND_NAMES } from './authenticator-fields';
import { variantOf } from './faults';
import type { Shown } from './inputs';
import type { Doc } from './path';
import { useForm } from './state';

/** The primary: one of the authenticators that there are. */
export function AuthenticatorField({ path, ...shown }: Shown & { path: string }) {
  const form = useForm();
  const { data } = useQuery(authenticatorsQuery);
  const value = form.at(path);
  const chosen = typeof value === 'string' ? value : '';
  const known = (data?.items ?? []).map((one) => ({
    value: one.id,
    label: `${one.id} · ${KIND_NAMES[variantOf('authenticator', one as unknown as Doc)]}`,
  }));
  // What was typed here is not lost for a look at another page.
  const away = form.dirty ? { target: '_blank' } : {};
  const missing = chosen !== '' && !known.some((one) => one.value === chosen);
  return (
    <div>
      <NativeSelect
        {...shown}
        data={[
          { value: '', label: 'Choose one' },
          ...(missing ? [{ value: chosen, label: chosen }] : []),
          ...known,
        ]}
        value={chosen}
        onChange={(event) => form.change(path, event.currentTarget.value || undefined)}
        onBlur={() => form.touch(path)}
      />
      <Text size="xs" mt={4}>
        {chosen !== '' && !missing && (
          <>
            <Anchor component={Link} to={`/authenticators/${encodeURIComponent(chosen)}`} {...away}>
              Open {chosen}
              {form.dirty && ' in a new tab'}
            </Anchor>
            {' · '}
          </>
        )}
        <Anchor component={Link} to="/authenticators/-/new" {...away}>
          New authenticator
          {form.dirty && ', in a new tab'}
        </Anchor>
      </Text>
    </div>
  );
}
