import { useRef } from 'react';

/**
 * For buttons that go with what they remove: `leave`, called as one is pressed, hands the focus on to `next` if it
 * is within `within`. Else nothing would have it.
 */
export function useLeavingFocus<Within extends HTMLElement, Next extends HTMLElement>() {
  const within = useRef<Within>(null);
  const next = useRef<Next>(null);
  const leave = () => {
    if (within.current?.contains(document.activeElement)) next.current?.focus();
  };
  return { within, next, leave };
}
