/** How people know a cell: the number it shows, else its label, else its place. */
import type { NotebookModel } from '../model';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { ICodeCellModel } from '@jupyterlab/cells';

/** Return a function from ids of cells to short names, e.g. `[3]` or `load`. */
export function namer(model: NotebookModel, notebook: INotebookModel): (id: string) => string {
  return id => {
    const label = model.nodes.find(node => node.id === id)?.label;
    if (label && label !== id) {
      return label;
    }
    for (const cell of notebook.cells) {
      if (cell.id === id && cell.type === 'code') {
        const count = (cell as ICodeCellModel).executionCount;
        return count ? `[${count}]` : `#${model.nodes.findIndex(node => node.id === id) + 1}`;
      }
    }
    return id;
  };
}
