/** How people know a cell: by its label, or by the number it shows. */
import type { NotebookModel } from '../model';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { ICodeCellModel } from '@jupyterlab/cells';

export type Naming = (id: string) => string;

/** Return short names for cells: the label, e.g. `load`, else the place. */
export function namer(model: NotebookModel, notebook: INotebookModel): Naming {
  const place = placer(model, notebook);
  return id => {
    const label = model.nodes.find(node => node.id === id)?.label;
    return label && label !== id ? label : place(id);
  };
}

/** Return places of cells: the number that a cell shows, e.g. `[3]`, else its place among the code cells. */
export function placer(model: NotebookModel, notebook: INotebookModel): Naming {
  return id => {
    for (const cell of notebook.cells) {
      if (cell.id === id && cell.type === 'code' && (cell as ICodeCellModel).executionCount) {
        return `[${(cell as ICodeCellModel).executionCount}]`;
      }
    }
    const index = model.nodes.findIndex(node => node.id === id);
    return index < 0 ? id : `#${index + 1}`;
  };
}
