/** What an edit starts by itself: nothing, a mark on what it makes stale, or its run. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, ISessionContextDialogs } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import { descendants } from '../graph';
import type { Step } from '../protocol';
import { IRegistry, type IBench, type Registry } from '../registry';
import { run, type IRunOptions } from '../runner';
import { CommandIDs, PACKAGE, STALE } from '../tokens';
import { namer, placer } from '../views/names';
import { confirmPlan, estimate } from '../views/plan';

const MODES = ['off', 'mark', 'auto'] as const;
type Mode = (typeof MODES)[number];

const ID = `${PACKAGE}:reactive`;
const MARKED = 'strata-mod-marking';

interface IChoice {
  mode: Mode;
  /** Seconds above which a run that nobody asked for is asked about. */
  askAbove: number;
}

/** Follows the edits of one view. */
class Reaction implements IDisposable {
  constructor(
    private readonly _bench: IBench,
    private readonly _choice: IChoice,
    private readonly _trans: TranslationBundle,
    private readonly _options: IRunOptions
  ) {
    _bench.feed.told.connect(this._onEdits, this);
    _bench.model.graphChanged.connect(this._onGraph, this);
    this.mark();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Show, or stop showing, marks beside stale cells. */
  mark(): void {
    this._bench.panel.content.toggleClass(MARKED, this._choice.mode !== 'off');
  }

  dispose(): void {
    this._isDisposed = true;
    this._generation++;
    Signal.disconnectReceiver(this);
  }

  private _onEdits(_: unknown, ids: string[]): void {
    ids.forEach(id => this._edited.add(id));
    // A newer edit makes a plan for an older one worthless.
    this._generation++;
  }

  private _onGraph(): void {
    // The kernel has read the edits: what they make stale is known from the states that follow its answer.
    if (this._choice.mode === 'auto' && this._edited.size && this._bench.panel.isVisible) {
      void this._react(this._generation).catch(() => undefined);
    }
  }

  private async _react(generation: number): Promise<void> {
    const { model } = this._bench;
    const edited = [...this._edited];
    const wanted = new Set([...edited, ...descendants(model.nodes, edited)]);
    const plan = await model.plan([...wanted]);
    if (generation !== this._generation || this._isDisposed) {
      return;
    }
    this._edited.clear();
    const steps = plan.steps.filter(step => wanted.has(step.cell) && this._needs(step));
    const served = steps.filter(step => step.action === 'serve').map(step => step.cell);
    const toRun = steps.filter(step => step.action === 'run');
    await run(this._bench, served, this._options);
    if (toRun.length && generation === this._generation && (await this._agreed(toRun))) {
      await run(
        this._bench,
        toRun.map(step => step.cell),
        this._options
      );
    }
  }

  /** Whether a step changes anything: a cell that is as it should be is left alone, and so is an empty one. */
  private _needs({ cell }: Step): boolean {
    const { model, panel } = this._bench;
    const state = model.cell(cell)?.state ?? 'new';
    const source = panel.content.widgets
      .find(widget => widget.model.id === cell)
      ?.model.sharedModel.getSource();
    return !!source?.trim() && (STALE.has(state) || state === 'servable');
  }

  private async _agreed(steps: Step[]): Promise<boolean> {
    if (estimate(steps) <= this._choice.askAbove * 1000) {
      return true;
    }
    const { model, panel } = this._bench;
    const notebook = panel.context.model;
    const [name, place] = [namer(model, notebook), placer(model, notebook)];
    return confirmPlan({ steps, name, place, trans: this._trans });
  }

  private readonly _edited = new Set<string>();
  private _generation = 0;
  private _isDisposed = false;
}

export const reactive: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Runs what an edit makes stale, or marks it.',
  autoStart: true,
  requires: [IRegistry, ISettingRegistry],
  optional: [ITranslator, ISessionContextDialogs, ICommandPalette],
  activate: async (
    app: JupyterFrontEnd,
    registry: Registry,
    settingRegistry: ISettingRegistry,
    translator: ITranslator | null,
    dialogs: ISessionContextDialogs | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load(PACKAGE);
    const choice: IChoice = { mode: 'mark', askAbove: 30 };
    const reactions = new Set<Reaction>();
    const options = { dialogs: dialogs ?? undefined, translator: translator ?? undefined };
    registry.follow(bench => {
      const reaction = new Reaction(bench, choice, trans, options);
      reactions.add(reaction);
      bench.panel.disposed.connect(() => reactions.delete(reaction));
      return reaction;
    });
    const labels: Record<Mode, string> = {
      off: trans.__('Reactive Mode: Off'),
      mark: trans.__('Reactive Mode: Mark Stale Cells'),
      auto: trans.__('Reactive Mode: Run Stale Cells')
    };
    const known = (mode: unknown): Mode => MODES.find(item => item === mode) ?? 'mark';
    app.commands.addCommand(CommandIDs.setReactive, {
      label: args => labels[known(args.mode)],
      isToggled: args => choice.mode === args.mode,
      isVisible: () => registry.current !== null,
      describedBy: {
        args: { type: 'object', properties: { mode: { type: 'string', enum: [...MODES] } } }
      },
      execute: args => settingRegistry.set(ID, 'mode', known(args.mode))
    });
    MODES.forEach(mode =>
      palette?.addItem({ command: CommandIDs.setReactive, args: { mode }, category: 'Strata' })
    );

    const settings = await settingRegistry.load(ID);
    const read = () => {
      choice.mode = known(settings.get('mode').composite);
      choice.askAbove = Number(settings.get('askAboveSeconds').composite);
      reactions.forEach(reaction => reaction.mark());
      app.commands.notifyCommandChanged(CommandIDs.setReactive);
    };
    settings.changed.connect(read);
    read();
  }
};
