/** Follows which cells JupyterLab has asked the kernel to run, by whatever command. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { Cell } from '@jupyterlab/cells';
import { NotebookActions, type Notebook } from '@jupyterlab/notebook';
import { DisposableDelegate } from '@lumino/disposable';
import { IRegistry, type Registry } from '../registry';
import { PACKAGE } from '../tokens';

interface IAbout {
  notebook: Notebook;
  cell: Cell;
}

export const queue: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:queue`,
  description: 'Lets cells on workers begin before their turns.',
  autoStart: true,
  requires: [IRegistry],
  activate: (_: JupyterFrontEnd, registry: Registry) =>
    registry.follow(({ panel, queue }) => {
      const onScheduled = (_: unknown, { notebook, cell }: IAbout) => {
        if (notebook === panel.content) {
          queue.schedule(cell.model.id);
        }
      };
      const onExecuted = (_: unknown, { notebook, cell }: IAbout) => {
        if (notebook === panel.content) {
          queue.done([cell.model.id]);
        }
      };
      NotebookActions.executionScheduled.connect(onScheduled);
      NotebookActions.executed.connect(onExecuted);
      return new DisposableDelegate(() => {
        NotebookActions.executionScheduled.disconnect(onScheduled);
        NotebookActions.executed.disconnect(onExecuted);
      });
    })
};
