/** Brings the user to a cell. */
import type { NotebookPanel } from '@jupyterlab/notebook';

/** Select a cell and scroll to it; the focus stays where it is. */
export function select(panel: NotebookPanel, id: string): boolean {
  const { content } = panel;
  const index = content.widgets.findIndex(cell => cell.model.id === id);
  if (index >= 0) {
    content.deselectAll();
    content.activeCellIndex = index;
    void content.scrollToItem(index, 'smart').catch(() => undefined);
  }
  return index >= 0;
}
