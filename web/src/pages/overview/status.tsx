import { Button, Group, Paper, Stack, Text, TextInput, ThemeIcon, VisuallyHidden } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { CircleAlert, CircleCheck, Info, Search, TriangleAlert } from 'lucide-react';
import { useState } from 'react';
import { TextLink } from '@/components/links';
import classes from './overview.module.css';
import { type Finding, headline, type Level } from './verdicts';

const SIGNS = {
  alarm: { icon: CircleAlert, colour: 'red', word: 'Alarm' },
  warning: { icon: TriangleAlert, colour: 'orange', word: 'Warning' },
  note: { icon: Info, colour: 'blue', word: 'Note' },
};

function Sign({ level }: { level: Level }) {
  const { icon: Icon, colour, word } = SIGNS[level];
  return <Icon size={16} color={`var(--mantine-color-${colour}-text)`} aria-label={word} role="img" />;
}

/** How many findings are shown at once. */
const SHOWN = 5;

/** All is well, or what is not, worst first. */
export function Status({ findings }: { findings: Finding[] }) {
  const [all, setAll] = useState(false);
  const { level, text } = headline(findings);
  const Icon = level === 'note' ? CircleCheck : SIGNS[level].icon;
  const shown = all ? findings : findings.slice(0, SHOWN);
  return (
    <Paper component="section" withBorder p="md" aria-label="Status">
      <Group gap="sm" wrap="nowrap" align="flex-start">
        <ThemeIcon
          size={40}
          radius="xl"
          variant="light"
          color={level === 'note' ? 'green' : SIGNS[level].colour}
          aria-hidden
        >
          <Icon size={22} />
        </ThemeIcon>
        <Stack gap={4} flex={1} miw={0}>
          {/* Of what is below, times and counts go on by themselves: this alone is for ears. */}
          <Text fw={650} size="lg" lh={1.3} pt={8} role="status">
            {text}
          </Text>
          {shown.length > 0 && (
            <ul className={classes.list}>
              {shown.map((finding) => (
                <li key={finding.key} className={classes.finding}>
                  <Sign level={finding.level} />
                  <Text size="sm" className="wrap">
                    {finding.text}{' '}
                    {finding.to && (
                      <TextLink underline="always" to={finding.to} search={finding.search} size="sm">
                        Show<VisuallyHidden> why: {finding.text}</VisuallyHidden>
                      </TextLink>
                    )}
                  </Text>
                </li>
              ))}
            </ul>
          )}
          {findings.length > SHOWN && (
            <Button size="compact-sm" variant="default" onClick={() => setAll(!all)} aria-expanded={all}>
              {all ? 'Show the first alone' : `Show ${findings.length - SHOWN} more`}
            </Button>
          )}
        </Stack>
      </Group>
    </Paper>
  );
}

/** What somebody needs who is on the phone with a user. */
export function FindUser() {
  const navigate = useNavigate();
  const [name, setName] = useState('');
  return (
    <Paper component="search" withBorder p="md" aria-label="Find a user's logins" display="block">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const user = name.trim();
          if (user) void navigate({ to: '/logins', search: { user } });
        }}
      >
        <Group gap="xs" align="flex-end">
          <TextInput
            label="Somebody cannot log in?"
            description="Their logins, and why each failed."
            placeholder="User name"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            flex={1}
            miw={220}
            maxLength={253}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
          />
          <Button type="submit" leftSection={<Search size={16} aria-hidden />} disabled={name.trim() === ''}>
            Show
          </Button>
        </Group>
      </form>
    </Paper>
  );
}
