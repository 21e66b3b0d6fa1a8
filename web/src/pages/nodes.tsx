export { NodesPage } from './nodes/list';
export { NodePage } from './nodes/one';
