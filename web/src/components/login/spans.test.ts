import { describe, expect, it } from 'vitest';
import { LEAST, spans } from './spans';

const step = (at_us: number, elapsed_us: number) => ({
  stage: 'primary' as const,
  at_us,
  elapsed_us,
  detail: '',
});

describe('bars of a timeline', () => {
  it('stand where the step stood, as wide as it was long', () => {
    const [a, b] = spans([step(0, 250), step(250, 750)], 1_000);
    expect(a).toMatchObject({ from: 0, width: 0.25, long: false });
    expect(b).toMatchObject({ from: 0.25, width: 0.75, long: true });
  });

  it('can be seen, and never leave the track', () => {
    const [bar] = spans([step(1_000, 0)], 1_000);
    expect(bar?.width).toBe(LEAST);
    expect((bar?.from ?? 1) + (bar?.width ?? 1)).toBeLessThanOrEqual(1);
    for (const odd of spans([step(0, 0), step(5, 2_000)], 0))
      expect(odd.from + odd.width).toBeLessThanOrEqual(1);
  });
});
