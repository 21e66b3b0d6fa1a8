import { Alert, NativeSelect, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { CopyBlock } from '@/components/copy';
import { ProblemAlert } from '@/components/problem';
import { type DeviceTemplate, deviceTemplates } from '@/devices/template';
import { filled, forDevice, reportOf } from './device';
import classes from './forms.module.css';
import { MODE_NAMES } from './integration-fields';
import type { Doc } from './path';
import { useForm } from './state';

const devicesQuery = { queryKey: ['devices'], queryFn: deviceTemplates, staleTime: Number.POSITIVE_INFINITY };

/** A device to begin with: sets what its page in the documentation says. */
export function DeviceStart({
  chosen,
  onChosen,
}: {
  chosen: DeviceTemplate | null;
  onChosen: (device: DeviceTemplate | null) => void;
}) {
  const form = useForm();
  const query = useQuery(devicesQuery);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const choose = async (id: string) => {
    const device = query.data?.find((one) => one.id === id) ?? null;
    setError(null);
    if (!device) return onChosen(null);
    setBusy(true);
    try {
      const report = await reportOf(device);
      form.changeAll((doc) => forDevice(report, device, doc, chosen?.id));
      onChosen(device);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <section className={classes.group} aria-labelledby="device-title">
      <div>
        <Title order={2} size="h3" id="device-title">
          Start from a device
        </Title>
        <Text size="sm" c="dimmed">
          Sets the mode and what else the device needs. Everything can be changed below.
        </Text>
      </div>
      <Stack gap="sm">
        <NativeSelect
          label="Device"
          data={[
            { value: '', label: 'Another one' },
            ...(query.data ?? []).map(({ id, title }) => ({ value: id, label: title })),
          ]}
          value={chosen?.id ?? ''}
          onChange={(event) => void choose(event.currentTarget.value)}
          disabled={busy || query.data === undefined}
          maw={420}
        />
        <ProblemAlert error={error ?? query.error} />
        {chosen && (
          <Text size="sm" aria-live="polite">
            {chosen.summary || chosen.title} Mode {MODE_NAMES[chosen.mode]}. What to set on the device is at
            the end of this page.
          </Text>
        )}
      </Stack>
    </section>
  );
}

/** What is to be set on the device, with the values of this form. */
export function DeviceSettings({ device, doc }: { device: DeviceTemplate; doc: Doc }) {
  const gateway = window.location.hostname;
  return (
    <section className={classes.group} aria-labelledby="on-device-title" id="on-device">
      <div>
        <Title order={2} size="h3" id="on-device-title">
          On the device
        </Title>
        <Text size="sm" c="dimmed">
          For {device.title}. With the port, and the address and secret of the first client, as they are
          above.
        </Text>
      </div>
      <Stack gap="sm">
        {device.settings.map(({ heading, text }, index) => (
          <div key={`${heading} ${index.toString()}`}>
            <Text size="sm" fw={600} mb={4}>
              {heading}
            </Text>
            <CopyBlock text={filled(text, doc, gateway)} label={`${heading}, ${index + 1}`} />
          </div>
        ))}
        <Alert color="blue">
          <Text size="sm">
            {gateway} is this gateway as this page reaches it. Write the address that the device reaches,
            where it is another.
          </Text>
        </Alert>
      </Stack>
    </section>
  );
}
