/** Commands that run what is stale, what a cell needs, or a cell whatever is cached. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  ICommandPalette,
  ISessionContextDialogs,
  Notification,
  showErrorMessage
} from '@jupyterlab/apputils';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { CellCommands } from '../commands';
import { ancestors, descendants } from '../graph';
import { IRegistry, type IBench, type Registry } from '../registry';
import { run, type IRan, type IRunOptions } from '../runner';
import { CommandIDs, PACKAGE, STALE } from '../tokens';
import { runStaleIcon } from '../views/icons';
import { namer, placer } from '../views/names';
import { confirmPlan } from '../views/plan';
import { duration } from '../views/words';

/** A run of so many cells is worth a word at its end. */
const MANY = 5;
const FROZEN = '# @cache frozen';

/** The commands' side of the plugin. */
class Runs {
  constructor(
    private readonly _trans: TranslationBundle,
    private readonly _options: IRunOptions
  ) {}

  /** Run every cell that is stale, and show again what is only to be served. */
  async stale(bench: IBench): Promise<void> {
    const ids = bench.model.stale();
    if (ids.length === 0) {
      Notification.info(this._trans.__('Nothing is stale.'), { autoClose: 2000 });
      return;
    }
    await this.run(bench, ids);
  }

  /** Run a cell, after those above that it needs and that are not as they should be. */
  async needed(bench: IBench, id: string): Promise<void> {
    await this.run(bench, [...this._needed(bench, id), id]);
  }

  /** Run what depends on a cell, where it is stale. */
  async dependents(bench: IBench, id: string): Promise<void> {
    const below = descendants(bench.model.nodes, [id]);
    await this.run(bench, [id, ...bench.model.stale().filter(other => below.has(other))]);
  }

  /** Show what running the stale cells, or one cell, would do, and do it when told to. */
  async plan(bench: IBench, id: string | null): Promise<void> {
    const { model, panel } = bench;
    bench.feed.flush();
    const targets = id ? [...this._needed(bench, id), id] : model.stale();
    try {
      const wanted = new Set(targets);
      const answer = targets.length ? await model.plan(targets) : { steps: [] };
      const steps = answer.steps.filter(step => wanted.has(step.cell));
      const notebook = panel.context.model;
      const [name, place] = [namer(model, notebook), placer(model, notebook)];
      if (await confirmPlan({ steps, name, place, trans: this._trans })) {
        await this.run(bench, targets);
      }
    } catch (error) {
      await showErrorMessage(this._trans.__('No plan'), error as Error);
    }
  }

  /** Add the directive that freezes a cell, or take it away. */
  toggleFrozen(bench: IBench, id: string): void {
    const cell = bench.panel.content.widgets.find(widget => widget.model.id === id);
    if (cell) {
      const { sharedModel } = cell.model;
      const lines = sharedModel.getSource().split('\n');
      const kept = lines.filter(line => line.trim() !== FROZEN);
      // A magic stays in the first line, or it is none.
      const place = kept[0]?.startsWith('%%') ? 1 : 0;
      const next = kept.length < lines.length ? kept : kept.toSpliced(place, 0, FROZEN);
      sharedModel.setSource(next.join('\n'));
    }
  }

  async run(bench: IBench, ids: string[], force = false): Promise<void> {
    const began = Date.now();
    const ran = await run(bench, ids, { ...this._options, force });
    if (ran.cells.length >= MANY && !bench.panel.isDisposed) {
      this._tell(bench, ran, Date.now() - began);
    }
  }

  /** Whether a cell has the directive. */
  isFrozen(bench: IBench, id: string): boolean {
    const cell = bench.panel.content.widgets.find(widget => widget.model.id === id);
    return !!cell?.model.sharedModel
      .getSource()
      .split('\n')
      .some(line => line.trim() === FROZEN);
  }

  private _needed({ model }: IBench, id: string): string[] {
    const above = ancestors(model.nodes, [id]);
    return model.stale().filter(other => other !== id && above.has(other));
  }

  private _tell({ model }: IBench, { cells, failed, interrupted }: IRan, took: number): void {
    const facts = cells.map(id => model.cell(id));
    const served = facts.filter(cell => cell?.hit && !STALE.has(cell.state));
    const saved = served.reduce((sum, cell) => sum + (cell?.savedMs ?? cell?.runMs ?? 0), 0);
    const parts = [
      this._trans.__('%1 of %2 cells served', served.length, cells.length),
      ...(saved >= 1000 ? [this._trans.__('%1 saved', duration(saved))] : []),
      this._trans.__('done in %1', duration(took)),
      ...(failed.length ? [this._trans.__('%1 failed', failed.length)] : [])
    ];
    const text = parts.join(' · ');
    if (interrupted || failed.length) {
      Notification.warning(text, { autoClose: 8000 });
    } else {
      Notification.success(text, { autoClose: 5000 });
    }
  }
}

/** Add the commands; all of them are there only for notebooks of ours. */
function addCommands(
  commands: CellCommands,
  runs: Runs,
  registry: Registry,
  trans: TranslationBundle
): void {
  const add = (
    id: string,
    label: string,
    act: (bench: IBench, cell: string) => unknown,
    options: Partial<CommandRegistry.ICommandOptions> = {}
  ) => commands.add(id, label, (bench, cell) => act(bench, cell ?? ''), options);
  add(CommandIDs.runStale, trans.__('Run Stale Cells'), bench => runs.stale(bench), {
    caption: trans.__('Run the cells that are stale, and only those'),
    icon: runStaleIcon
  });
  add(CommandIDs.runCell, trans.__('Run Cell'), (b, id) => runs.run(b, [id]));
  add(CommandIDs.runNeeded, trans.__('Run Cell and What It Needs'), (b, id) => runs.needed(b, id));
  add(CommandIDs.runDependents, trans.__('Run Cell and What Depends on It'), (b, id) =>
    runs.dependents(b, id)
  );
  add(CommandIDs.runForced, trans.__('Run Cell Anew, Whatever Is Cached'), (b, id) =>
    runs.run(b, [id], true)
  );
  commands.add(
    CommandIDs.planFirst,
    args =>
      args.cell || args.clicked
        ? trans.__('Plan Running This Cell…')
        : trans.__('Plan Running Stale Cells…'),
    (bench, cell, args) => runs.plan(bench, args.cell || args.clicked ? cell : null)
  );
  add(CommandIDs.toggleFrozen, trans.__('Freeze Cell'), (b, id) => runs.toggleFrozen(b, id), {
    caption: trans.__('Keep the answer that the cell gave, whatever the clock or the network say'),
    isToggled: args => {
      const [bench, id] = [registry.current, commands.target(args)];
      return !!bench && !!id && runs.isFrozen(bench, id);
    }
  });
  add(CommandIDs.refreshFrozen, trans.__('Refresh Frozen Cells'), bench => {
    const frozen = bench.model.select(({ state }) => state === 'frozen');
    return frozen.length ? runs.run(bench, frozen, true) : undefined;
  });
}

export const runs: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:runs`,
  description: 'Runs what is stale, what a cell needs, or a cell whatever is cached.',
  autoStart: true,
  requires: [IRegistry],
  optional: [ITranslator, ISessionContextDialogs, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    registry: Registry,
    translator: ITranslator | null,
    dialogs: ISessionContextDialogs | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load(PACKAGE);
    const options = { dialogs: dialogs ?? undefined, translator: translator ?? undefined };
    const commands = new CellCommands(app, registry, palette);
    addCommands(commands, new Runs(trans, options), registry, trans);
  }
};
