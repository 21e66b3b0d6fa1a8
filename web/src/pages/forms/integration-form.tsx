import type { ReactNode } from 'react';
import { ClientsTable } from './clients';
import { FormFrame } from './frame';
import { FieldGroup, Fields, partOf } from './group';
import { NameField, VariantField } from './identity';
import { INTEGRATION_GROUPS, MODE_NAMES } from './integration-fields';
import { type Doc, isDoc, set } from './path';
import { WhichSecondFactor } from './second-factor';
import type { Form } from './state';

const PATHS = INTEGRATION_GROUPS.flatMap(({ fields }) => fields.map(({ path }) => path)).filter(
  (path) => !path.includes('[]'),
);
/** Faults of clients stand in their table; those of all of EAP at the certificate. */
const SHOWN = [...PATHS, 'clients', 'eap', 'application'];

/** The document in another mode. EAP has settings of its own, which the API wants to see there. */
export function inMode(doc: Doc, mode: string): Doc {
  const next = set(doc, 'mode', mode);
  if (mode === 'eap' && !isDoc(next.eap)) return set(next, 'eap', { certificates: '', private_key: '' });
  if (mode !== 'eap' && isDoc(next.eap) && next.eap.certificates === '') return set(next, 'eap', undefined);
  return next;
}

export function IntegrationForm({
  form,
  what,
  onReview,
  begin,
  end,
}: {
  form: Form;
  what: string;
  onReview: () => Promise<unknown>;
  begin?: ReactNode;
  end?: ReactNode;
}) {
  const modeName = MODE_NAMES[form.variant] ?? form.variant;
  const inner = (id: string): ReactNode => {
    if (id === 'identity') {
      return (
        <>
          <NameField placeholder="vpn" />
          <VariantField
            label="Mode"
            names={MODE_NAMES}
            value={form.variant}
            error={form.error('mode')}
            onChange={(mode) => form.changeAll((doc) => inMode(doc, mode), ['mode'])}
          />
        </>
      );
    }
    if (id === 'clients') return <ClientsTable />;
    const group = INTEGRATION_GROUPS.find((one) => one.id === id);
    if (id === 'second' && group) {
      return (
        <>
          <WhichSecondFactor />
          <Fields fields={partOf(form, group).shown} />
        </>
      );
    }
    return undefined;
  };
  return (
    <FormFrame
      form={form}
      what={what}
      fields={SHOWN}
      action={form.fresh ? 'Review and create' : 'Review the change'}
      onReview={onReview}
    >
      {begin}
      {INTEGRATION_GROUPS.map((group) => (
        <FieldGroup key={group.id} group={group} modeName={modeName}>
          {inner(group.id)}
        </FieldGroup>
      ))}
      {end}
    </FormFrame>
  );
}
