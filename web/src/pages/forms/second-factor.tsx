import { Code, Stack, Text } from '@mantine/core';
import { Cards } from './inputs';
import { isBuiltIn } from './integration-fields';
import { get, type Json, set } from './path';
import { ReadText } from './read-field';
import { useForm, useTyped } from './state';

const SERVICES = {
  builtin: {
    name: 'Built in',
    about:
      'Comes with this gateway: phones, passcodes and bypass codes of its own users. Nothing leaves your network.',
  },
  outside: {
    name: 'Duo, or a service with its API',
    about: 'Asked over HTTPS, with the keys of an application that was made there.',
  },
};

/** Which service is the second factor: the one that comes with the program, or another. */
export function WhichSecondFactor() {
  const form = useForm();
  const builtIn = isBuiltIn(form.values);
  const was = form.base.doc;
  const typed = useTyped(form.base);
  const choose = (wanted: string) => {
    if ((wanted === 'builtin') === builtIn) return;
    // What was read stays as it is, with its secret, when one comes back to it.
    const back = isBuiltIn(was) === (wanted === 'builtin') && !form.fresh;
    const begin: Json =
      wanted === 'builtin'
        ? { ikey: '', skey: '', host: 'builtin' }
        : { ikey: '', skey: '', host: '', port: 443 };
    typed.set(builtIn ? 'builtin' : 'outside', form.at('application'));
    const application = typed.get(wanted) ?? (back ? get(was, 'application') : begin);
    form.changeAll((doc) => set(doc, 'application', application));
    form.touch('mode');
  };
  if (form.readOnly) {
    return (
      <ReadText label="Service" description={builtIn ? SERVICES.builtin.about : SERVICES.outside.about}>
        {builtIn ? SERVICES.builtin.name : SERVICES.outside.name}
      </ReadText>
    );
  }
  const made = builtIn && typeof form.at('application.pinned_ca') === 'string';
  return (
    <Stack gap="xs">
      <Cards
        label="Service"
        description={null}
        error={builtIn ? form.error('application') : null}
        words={Object.entries(SERVICES).map(([value, { name, about }]) => ({
          value,
          name,
          description: about,
        }))}
        value={builtIn ? 'builtin' : 'outside'}
        onChange={choose}
      />
      {made && (
        <Text size="sm" c="dimmed">
          Its application <Code>{String(form.at('application.ikey'))}</Code> and keys are made and kept by the
          gateway.
        </Text>
      )}
    </Stack>
  );
}
