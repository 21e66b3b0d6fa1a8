/** One login, for whichever page shows one. */
export { explain, inOrder, type Said } from './explain';
export { Explanation } from './explanation';
export { OutcomeBadge, WeakMark } from './outcome';
export { Timeline } from './timeline';
export {
  type AuthEvent,
  addressOf,
  FACTORS,
  loginOf,
  mark,
  OUTCOMES,
  REASON_GROUPS,
  REASONS,
  reasonOf,
  STAGES,
  shownClient,
} from './words';
