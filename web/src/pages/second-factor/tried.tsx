/** A dialog that shows what would become of many users before it is done. */
import { notifications } from '@mantine/notifications';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { FormModal } from '@/components/form-modal';
import { plural } from '@/lib/format';
import { Changes } from './changes';
import { howMany, isPossible, type Taken, type UserChanges } from './changes-words';
import { changed } from './queries';

export function Tried({
  opened,
  close,
  title,
  taken,
  asked,
  ready,
  run,
  verb = (many) => (many > 0 ? `Take in ${plural(many, 'user')}` : 'Synchronize all the same'),
  done = (many) =>
    many > 0 ? `${plural(many, 'user')} taken in.` : 'Synchronized: nothing had to be changed.',
  children,
}: {
  opened: boolean;
  close: () => void;
  title: string;
  /** What becomes of the rest, where something is refused. */
  taken: Taken;
  /** What is asked: when it changes, what would be done is asked anew. */
  asked: unknown;
  ready: boolean;
  run: (dry_run: boolean) => Promise<UserChanges>;
  /** The deed, once it was seen to how many users something happens. */
  verb?: (many: number) => string;
  /** What is said when it is done. */
  done?: (many: number) => string;
  children: ReactNode;
}) {
  const client = useQueryClient();
  const [seen, setSeen] = useState<UserChanges | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another question has another answer
  useEffect(() => {
    setSeen(null);
  }, [opened, asked]);

  const go = async (dry_run: boolean) => {
    try {
      const changes = await run(dry_run);
      setSeen(changes);
      if (dry_run || !changes.done) return false;
      notifications.show({ message: done(howMany(changes)) });
      return true;
    } finally {
      // One that failed is noted too.
      if (!dry_run) await changed(client);
    }
  };
  const possible = seen !== null && isPossible(seen, taken);

  return (
    <FormModal
      opened={opened}
      close={close}
      title={title}
      size="lg"
      submit={possible ? verb(howMany(seen)) : 'See what would change'}
      ready={ready}
      asked={asked}
      send={() => go(!possible)}
    >
      {children}
      {seen && <Changes changes={seen} taken={taken} />}
    </FormModal>
  );
}
