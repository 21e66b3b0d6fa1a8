import { Group, Stack, Text } from '@mantine/core';
import { X } from 'lucide-react';
import { Time } from '@/components/time';
import { micros } from '@/lib/format';
import { failedStep } from './explain';
import { OutcomeBadge } from './outcome';
import { spans } from './spans';
import styles from './timeline.module.css';
import { type AuthEvent, reasonOf, STAGES } from './words';

/**
 * What happened, step by step, with a bar for the time that each took. `events` are the requests of one
 * login, oldest first: each has its own steps.
 */
export function Timeline({ events }: { events: readonly AuthEvent[] }) {
  return (
    <Stack gap="lg">
      {events.map((event, index) => (
        <section key={event.id} aria-label={events.length > 1 ? `Request ${index + 1}` : 'Timeline'}>
          {events.length > 1 && (
            <Group gap="xs" mb="xs">
              <Text fw={600} size="sm">
                Request {index + 1} of {events.length}
              </Text>
              <OutcomeBadge outcome={event.outcome} size="sm" />
              <Text size="sm" c="dimmed" className="wrap">
                {reasonOf(event)}
                {' · '}
                <Time ms={event.at_ms} form="clock" />
              </Text>
            </Group>
          )}
          <Steps event={event} />
        </section>
      ))}
    </Stack>
  );
}

function Steps({ event }: { event: AuthEvent }) {
  if (event.timeline.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        No steps were noted.
      </Text>
    );
  }
  const failed = failedStep(event);
  return (
    <ol className={styles.steps}>
      {spans(event.timeline, event.elapsed_us).map(({ step, from, width, long }, index) => {
        const stage = STAGES[step.stage];
        return (
          // A stage may come more than once, and none changes its place.
          <li key={index} className={styles.step}>
            <div className={styles.stage}>
              <Text size="sm" fw={600} component="span">
                {stage?.word ?? step.stage}
                {index === failed && (
                  <>
                    {' '}
                    <X size={14} className={styles.cross} role="img" aria-label="failed" />
                  </>
                )}
              </Text>
              <span className={styles.at}>
                {step.at_us === 0 ? 'at the start' : `after ${micros(step.at_us)}`}
              </span>
            </div>
            <div className={styles.took}>
              <span className={styles.track} aria-hidden>
                <span
                  className={styles.bar}
                  data-stage={step.stage}
                  data-failed={index === failed || undefined}
                  style={{ insetInlineStart: `${from * 100}%`, inlineSize: `${width * 100}%` }}
                />
              </span>
              <span className={styles.figure} data-long={long || undefined}>
                {step.elapsed_us > 0 && (
                  <>
                    <span className={styles.sr}>took </span>
                    {micros(step.elapsed_us)}
                    {long && <span className={styles.sr}>, most of the time</span>}
                  </>
                )}
              </span>
            </div>
            <Text size="sm" className={`wrap ${styles.detail}`}>
              {step.detail || stage?.about}
            </Text>
          </li>
        );
      })}
      <li className={styles.total}>
        <Text size="sm" c="dimmed" component="span">
          Answered after <b>{micros(event.elapsed_us)}</b>
        </Text>
      </li>
    </ol>
  );
}
