import { Badge } from '@mantine/core';
import { named } from '../overview/verdicts';

/** Whether a revision is served, and who refused it. One that no node took is not served, though it is the newest. */
export function RevisionState({
  newest,
  refusedBy,
  applied,
}: {
  newest: boolean;
  refusedBy: readonly string[];
  /** Whether any node has it. */
  applied: boolean;
}) {
  return (
    <>
      {newest && (applied || refusedBy.length === 0) && (
        <Badge color="green" variant="light" tt="none" miw="max-content">
          served
        </Badge>
      )}
      {refusedBy.length > 0 && (
        <Badge color="red" variant="light" tt="none" title={`refused by ${named(refusedBy)}`}>
          refused by {named(refusedBy)}
        </Badge>
      )}
    </>
  );
}
