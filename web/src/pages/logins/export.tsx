import { Button, Menu } from '@mantine/core';
import { Download } from 'lucide-react';
import { exportAddress, type Filter } from './filter';

/** All that match, not only what is loaded: the gateway writes it. */
export function ExportMenu({ filter }: { filter: Filter }) {
  const link = (format: 'csv' | 'jsonl') => ({
    component: 'a' as const,
    href: exportAddress(filter, format, Date.now()),
    download: true,
  });
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <Button variant="default" leftSection={<Download size={16} aria-hidden />}>
          Export
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>All that match, each request one line</Menu.Label>
        <Menu.Item {...link('csv')}>CSV, for spreadsheets</Menu.Item>
        <Menu.Item {...link('jsonl')}>JSON lines, with timelines</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
