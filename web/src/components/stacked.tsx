/** Tables of things with what can be done to each: rows where there is room, cards where there is none. */
import { Paper, Table, VisuallyHidden } from '@mantine/core';
import type { ReactNode } from 'react';
import css from './stacked.module.css';

export function StackedTable({
  label,
  columns = [],
  head,
  actions = false,
  fixed = false,
  dense = false,
  children,
}: {
  label: string;
  /** Each with its width in pixels, where it has one of its own. */
  columns?: readonly (string | [name: string, width: number])[];
  /** In place of `columns`: headings with more in them than a name. Cards have none of it. */
  head?: ReactNode;
  /** Whether a last column has `Actions`. */
  actions?: boolean;
  /** Whether the columns are as wide whatever is in them. */
  fixed?: boolean;
  /** Whether rows are low, for many of them. */
  dense?: boolean;
  children: ReactNode;
}) {
  return (
    <Paper withBorder radius="md">
      <Table
        className={css.table}
        verticalSpacing={dense ? 6 : 'sm'}
        highlightOnHover={dense}
        aria-label={label}
        {...(fixed ? { layout: 'fixed' } : {})}
      >
        <Table.Thead>
          <Table.Tr>
            {head}
            {columns.map((column) => {
              const [name, width] = typeof column === 'string' ? [column] : column;
              return (
                <Table.Th key={name} w={width}>
                  {name}
                </Table.Th>
              );
            })}
            {actions && (
              <Table.Th>
                <VisuallyHidden>What can be done</VisuallyHidden>
              </Table.Th>
            )}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{children}</Table.Tbody>
      </Table>
    </Paper>
  );
}

/** A cell under the name of its column. */
export function Cell({ of, children }: { of: string; children: ReactNode }) {
  return (
    <Table.Td data-label={of} className="wrap">
      <div>{children}</div>
    </Table.Td>
  );
}

/** A cell that says by itself what it is: of a card it has the whole width. */
export function WholeCell({ span, children }: { span?: number; children: ReactNode }) {
  return (
    <Table.Td className={css.whole} {...(span ? { colSpan: span } : {})}>
      {children}
    </Table.Td>
  );
}

/** The buttons of a row. */
export function Actions({ children }: { children: ReactNode }) {
  return <Table.Td className={`${css.actions} ${css.whole}`}>{children}</Table.Td>;
}
