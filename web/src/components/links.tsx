/** Links that look like text and like buttons, typed by the routes. */
import { Anchor, type AnchorProps, Button, type ButtonProps } from '@mantine/core';
import { createLink } from '@tanstack/react-router';
import type { ComponentPropsWithRef } from 'react';

type Native = Omit<ComponentPropsWithRef<'a'>, 'color' | 'style'>;

export const TextLink = createLink((props: Omit<AnchorProps, 'href'> & Native) => <Anchor {...props} />);

export const ButtonLink = createLink((props: Omit<ButtonProps, 'href'> & Native) => (
  <Button component="a" {...props} />
));
