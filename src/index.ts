/** The plugins, one capability each. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { badges } from './plugins/badges';
import { explains } from './plugins/explain';
import { findings } from './plugins/findings';
import { graph } from './plugins/graph';
import { kept } from './plugins/kept';
import { notebooks } from './plugins/notebooks';
import { outputs } from './plugins/outputs';
import { places } from './plugins/places';
import { queries } from './plugins/queries';
import { queue } from './plugins/queue';
import { reactive } from './plugins/reactive';
import { runs } from './plugins/runs';
import { status } from './plugins/status';
import { variants } from './plugins/variants';
import { workers } from './plugins/workers';
import { why } from './plugins/why';

const plugins: JupyterFrontEndPlugin<any>[] = [
  notebooks,
  badges,
  findings,
  outputs,
  queue,
  runs,
  status,
  why,
  kept,
  graph,
  reactive,
  variants,
  workers,
  places,
  queries,
  explains
];

export default plugins;
