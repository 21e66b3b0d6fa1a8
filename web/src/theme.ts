import { type CSSVariablesResolver, createTheme, type MantineColorsTuple, Notification } from '@mantine/core';

const sentry: MantineColorsTuple = [
  '#eef2ff',
  '#dde4fb',
  '#b9c6f4',
  '#93a6ed',
  '#7389e6',
  '#5e77e2',
  '#5069dc',
  '#3f57c4',
  '#364db0',
  '#26389a',
];

export const theme = createTheme({
  primaryColor: 'sentry',
  // White on both can be read: what is chosen for the light one holds in the dark, too.
  primaryShade: { light: 7, dark: 6 },
  colors: { sentry },
  autoContrast: true,
  components: {
    Notification: Notification.extend({ defaultProps: { closeButtonProps: { 'aria-label': 'Close' } } }),
  },
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  focusRing: 'auto',
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", "DejaVu Sans", Arial, sans-serif',
  fontFamilyMonospace:
    'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace',
  headings: {
    fontWeight: '650',
    sizes: { h1: { fontSize: '1.5rem' }, h2: { fontSize: '1.15rem' }, h3: { fontSize: '1rem' } },
  },
});

const COLOURS = [
  'gray',
  'red',
  'orange',
  'yellow',
  'green',
  'teal',
  'blue',
  'indigo',
  'violet',
  'grape',
  'sentry',
];

/** Text on tinted ground, and dimmed text, dark enough to be read by everybody (WCAG 2.2 AA). */
export const cssVariables: CSSVariablesResolver = (theme) => {
  const light: Record<string, string> = {
    '--mantine-color-dimmed': '#50565e',
    '--mantine-color-placeholder': '#666d75',
    '--mantine-color-error': theme.colors.red[9],
    '--mantine-color-anchor': theme.colors.sentry?.[8] ?? '#364db0',
  };
  const dark: Record<string, string> = {
    '--mantine-color-dimmed': '#a9adb3',
    '--mantine-color-placeholder': '#979ca3',
    '--mantine-color-error': theme.colors.red[4],
    '--mantine-color-anchor': theme.colors.sentry?.[3] ?? '#93a6ed',
  };
  for (const colour of COLOURS) {
    const shades = theme.colors[colour];
    if (!shades) continue;
    light[`--mantine-color-${colour}-light-color`] = `color-mix(in srgb, ${shades[9]} 78%, black)`;
    dark[`--mantine-color-${colour}-light-color`] = shades[2];
    light[`--mantine-color-${colour}-text`] = `color-mix(in srgb, ${shades[9]} 90%, black)`;
    dark[`--mantine-color-${colour}-text`] = shades[3];
    light[`--mantine-color-${colour}-outline`] = shades[9];
    dark[`--mantine-color-${colour}-outline`] = shades[3];
  }
  return { variables: {}, light, dark };
};
