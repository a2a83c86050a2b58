/** The plugins, one capability each. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { badges } from './plugins/badges';
import { notebooks } from './plugins/notebooks';
import { outputs } from './plugins/outputs';

const plugins: JupyterFrontEndPlugin<any>[] = [notebooks, badges, outputs];

export default plugins;
