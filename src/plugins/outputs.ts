/** Shows the outputs of cells that the kernel ran on behalf of another where they belong. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { ICodeCellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import type { INotebookModel } from '@jupyterlab/notebook';
import { DisposableDelegate } from '@lumino/disposable';
import type { NotebookModel } from '../model';
import type { CellOutputs } from '../protocol';
import { IRegistry, type Registry } from '../registry';
import { PACKAGE } from '../tokens';

/** Put outputs into the document. */
function fill(notebook: INotebookModel, message: CellOutputs): void {
  for (const cell of notebook.cells) {
    if (cell.id === message.id && cell.type === 'code') {
      const code = cell as ICodeCellModel;
      if (code.executionState === 'running') {
        return; // its own run was asked for, and shows it anew
      }
      // As if the user had run it: it is their kernel that did.
      code.trusted = true;
      code.outputs.fromJSON(message.outputs as unknown as IOutput[]);
      code.executionCount = message.executionCount ?? code.executionCount;
      return;
    }
  }
}

export const outputs: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:outputs`,
  description: 'Shows the outputs of cells that ran on behalf of another.',
  autoStart: true,
  requires: [IRegistry],
  activate: (_: JupyterFrontEnd, registry: Registry) => {
    const filling = new WeakSet<NotebookModel>();
    registry.follow(({ panel, model }) => {
      // Views share the document, so the first one fills it for all, as long as the document lives.
      if (!filling.has(model)) {
        filling.add(model);
        const notebook = panel.context.model;
        model.outputsReceived.connect((_, message) => fill(notebook, message));
      }
      return new DisposableDelegate(() => undefined);
    });
  }
};
