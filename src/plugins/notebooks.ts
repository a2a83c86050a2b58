/** Keeps what is known of every open notebook; all other plugins ask it. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRegistry, Registry } from '../registry';
import { Rest } from '../rest';
import { PACKAGE } from '../tokens';

export const notebooks: JupyterFrontEndPlugin<Registry> = {
  id: `${PACKAGE}:notebooks`,
  description: 'Connects notebooks with Strata kernels.',
  autoStart: true,
  provides: IRegistry,
  requires: [INotebookTracker],
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker) =>
    new Registry(tracker, new Rest(app.serviceManager.serverSettings))
};
