/** Runs cells of a notebook as its user would, so that every part of JupyterLab sees it. */
import type { ISessionContextDialogs } from '@jupyterlab/apputils';
import type { Cell } from '@jupyterlab/cells';
import { NotebookActions, type KernelError, type Notebook } from '@jupyterlab/notebook';
import type { ITranslator } from '@jupyterlab/translation';
import { descendants } from './graph';
import type { IBench } from './registry';

export interface IRunOptions {
  dialogs?: ISessionContextDialogs;
  translator?: ITranslator;
  /** Run the cells whatever is cached. */
  force?: boolean;
}

/** What became of a run. */
export interface IRan {
  cells: string[];
  failed: string[];
  interrupted: boolean;
}

interface IExecuted {
  notebook: Notebook;
  cell: Cell;
  success: boolean;
  error?: KernelError | null;
}

/** Run cells in the document's order; one that fails holds up only what depends on it. */
export async function run(
  bench: IBench,
  ids: readonly string[],
  options: IRunOptions = {}
): Promise<IRan> {
  const { panel, model, feed, queue } = bench;
  const wanted = new Set(ids);
  let pending = panel.content.widgets.filter(cell => wanted.has(cell.model.id));
  const cells = pending.map(cell => cell.model.id);
  const failed = new Set<string>();
  let interrupted = false;
  const onExecuted = (_: unknown, { notebook, cell, error }: IExecuted) => {
    // A cell that the kernel dropped from its queue has an error without a name.
    if (notebook === panel.content && error?.errorName) {
      failed.add(cell.model.id);
      interrupted = interrupted || error.errorName === 'KeyboardInterrupt';
    }
  };
  // The kernel must know the document that these cells stand in before it runs them.
  feed.flush();
  model.expect(cells);
  if (options.force && cells.length) {
    await model.refresh(cells);
  }
  NotebookActions.executed.connect(onExecuted);
  try {
    while (pending.length && !interrupted && !panel.isDisposed) {
      if (await runTogether(bench, pending, options)) {
        break;
      }
      const first = pending.findIndex(cell => failed.has(cell.model.id));
      const blocked = descendants(model.nodes, failed);
      pending = first < 0 ? [] : pending.slice(first + 1);
      pending = pending.filter(cell => !cell.isDisposed && !blocked.has(cell.model.id));
    }
  } finally {
    NotebookActions.executed.disconnect(onExecuted);
    model.release(cells);
    queue.done(cells);
  }
  return { cells, failed: [...failed], interrupted };
}

async function runTogether(
  { panel, queue }: IBench,
  cells: Cell[],
  { dialogs, translator }: IRunOptions
): Promise<boolean> {
  const { content, sessionContext } = panel;
  const { mode } = content;
  queue.expect(cells.map(cell => cell.model.id));
  const done = NotebookActions.runCells(content, cells, sessionContext, dialogs, translator);
  // Running takes the notebook into command mode; whoever types goes on typing.
  content.mode = mode;
  return done;
}
