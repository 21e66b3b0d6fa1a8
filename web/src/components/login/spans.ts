/** Where each step of a login stands in its time. Pure. */
import type { Schemas } from '@/api/client';

type Step = Schemas['Step'];

export interface Span {
  step: Step;
  /** Where its bar begins, and how wide it is, in parts of the whole (0 to 1). */
  from: number;
  width: number;
  /** Whether most of the time went here. */
  long: boolean;
}

/** A bar that could not be seen is drawn this wide. */
export const LEAST = 0.006;

export function spans(steps: readonly Step[], elapsedUs: number): Span[] {
  const whole = Math.max(1, elapsedUs, ...steps.map((step) => step.at_us + step.elapsed_us));
  return steps.map((step) => {
    const width = Math.max(LEAST, Math.min(1, step.elapsed_us / whole));
    return {
      step,
      // What ends with the whole stays within it.
      from: Math.min(step.at_us / whole, 1 - width),
      width,
      long: step.elapsed_us / whole >= 0.5,
    };
  });
}
