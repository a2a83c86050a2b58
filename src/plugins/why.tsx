/** A panel in the right sidebar that explains the selected cell. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, deleteIcon, refreshIcon, runIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { Message } from '@lumino/messaging';
import { Debouncer } from '@lumino/polling';
import * as React from 'react';
import { directive } from '../directives';
import { Film, STRETCH } from '../film';
import type { ICellFacts, NotebookModel } from '../model';
import type { Inspection, Preview } from '../protocol';
import { IRegistry, saved, type IBench, type Registry } from '../registry';
import type { IKept } from '../rest';
import { CommandIDs, PACKAGE } from '../tokens';
import type { ILook } from '../views/artifacts';
import { Findings, ordered } from '../views/findings';
import { STATE_ICONS, pinIcon, whyIcon } from '../views/icons';
import { lineage } from '../views/lineage';
import { namer, placer } from '../views/names';
import { select } from '../views/navigate';
import type { IWalk } from '../views/passes';
import { PAGE, type ISight } from '../views/preview';
import { WhyView, type IAction } from '../views/why';

const png = (base64?: string | null) => base64 && `data:image/png;base64,${base64}`;

const seen = ({ image, ...rest }: Preview): ISight => ({ ...rest, image: png(image) });

/** Return the names that a loop carries from pass to pass; none for another cell. */
function carry({ panel }: IBench, id: string): string[] {
  for (const cell of panel.context.model.cells) {
    if (cell.id === id) {
      const loop = directive(cell.sharedModel.getSource(), 'loop') ?? '';
      return (/\bcarry=(\S+)/.exec(loop)?.[1] ?? '').split(',').filter(Boolean);
    }
  }
  return [];
}

/** Asks the kernel about the selected cell while it is in view. */
class WhyPanel extends ReactWidget {
  constructor(
    private readonly _registry: Registry,
    private readonly _trans: TranslationBundle,
    private readonly _commands: CommandRegistry
  ) {
    super();
    this._keptLater = new Debouncer(() => this._askKept(), 400);
    this.id = `${PACKAGE}-why`;
    this.addClass('strata-Why');
    this.title.icon = whyIcon;
    this.title.caption = _trans.__('Why: what the cache decided on the selected cell');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', _trans.__('Why'));
    _registry.currentChanged.connect(this._follow, this);
    _registry.cellSelected.connect(this._ask, this);
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._follow();
  }

  protected override render(): JSX.Element {
    const bench = this._registry.current;
    const id = this._registry.currentCell;
    if (!bench) {
      return (
        <p className="strata-Why-empty">
          {this._trans.__('Open a notebook with the Strata kernel.')}
        </p>
      );
    }
    const facts = id ? bench.model.cell(id) : null;
    return (
      <>
        {facts ? (
          this._renderCell(bench, facts)
        ) : (
          <p className="strata-Why-empty">
            {this._trans.__('Select a code cell to see why it is served, or not.')}
          </p>
        )}
        {this._renderFindings(bench)}
      </>
    );
  }

  private _renderFindings({ model, panel }: IBench): JSX.Element {
    const notebook = panel.context.model;
    const cells = Array.from(notebook.cells, cell => cell.id);
    return (
      <Findings
        findings={ordered(model.findings, cells)}
        name={namer(model, notebook)}
        trans={this._trans}
        onJump={cell => select(panel, cell)}
      />
    );
  }

  private _renderCell(bench: IBench, facts: ICellFacts): JSX.Element {
    const name = namer(bench.model, bench.panel.context.model);
    return (
      <WhyView
        facts={facts}
        label={name(facts.id)}
        findings={bench.model.diagnostics(facts.id).map(item => item.message)}
        inspection={this._inspection?.cell === facts.id ? this._inspection : null}
        kept={this._kept?.[0] === facts.id ? this._kept[1] : null}
        lineage={lineage(bench.model.nodes, facts.id)}
        walk={this._walk?.cell === facts.id ? this._walk : null}
        carry={carry(bench, facts.id)}
        look={this._look}
        actions={this._actions(facts.id)}
        name={name}
        place={placer(bench.model, bench.panel.context.model)}
        trans={this._trans}
        onJump={cell => select(bench.panel, cell)}
        onLook={(cell, wanted, offset) => void this._lookAt(bench, cell, wanted, offset)}
        onClose={() => this._show(null)}
        onStep={(names, place) => void this._step(bench, facts.id, names, place)}
      />
    );
  }

  private _actions(cell: string): IAction[] {
    const [trans, commands] = [this._trans, this._commands];
    const act = (command: string) => () =>
      void commands.execute(command, { cell }).then(() => this._askKept());
    const pinned = !!this._kept && this._kept[0] === cell && this._kept[1].cell.pinned;
    const { togglePin, toggleFrozen, clearCell, runForced, runNeeded } = CommandIDs;
    return [
      { icon: runIcon, label: trans.__('Run it and what it needs'), act: act(runNeeded) },
      {
        icon: refreshIcon,
        label: trans.__('Run it anew, whatever is cached'),
        act: act(runForced)
      },
      {
        icon: STATE_ICONS.frozen,
        label: trans.__('Freeze: keep the answer it gave'),
        pressed: commands.isToggled(toggleFrozen, { cell }),
        act: act(toggleFrozen)
      },
      {
        icon: pinIcon,
        label: pinned
          ? trans.__('Unpin: let what is kept be collected')
          : trans.__('Pin: never collect what is kept'),
        pressed: pinned,
        act: act(togglePin)
      },
      { icon: deleteIcon, label: trans.__('Clear what is kept of it'), act: act(clearCell) }
    ];
  }

  /** Look at a value: the kernel shows its own, the server shows files. */
  private async _lookAt(bench: IBench, cell: string, name: string, offset: number): Promise<void> {
    const look = { cell, name };
    const same = this._look?.cell === cell && this._look.name === name;
    this._show({ ...look, sight: same ? this._look!.sight : null });
    let sight: ISight;
    try {
      if (name.startsWith('file:')) {
        const path = await saved(bench);
        const { image, ...rest } = await this._registry.rest.file(path, cell, name, offset, PAGE);
        const source = image && `data:${image.media_type};base64,${image.base64}`;
        sight = { ...rest, image: source };
      } else {
        sight = seen(await bench.model.preview({ cell, name, offset, limit: PAGE }));
      }
    } catch (error) {
      sight = { reason: (error as Error).message };
    }
    if (this._look?.cell === cell && this._look.name === name) {
      this._show({ ...look, sight });
    }
  }

  /** Look at what a pass of a loop left; only the last one that was asked for is shown. */
  private async _step(
    { model }: IBench,
    cell: string,
    names: readonly string[],
    place: number
  ): Promise<void> {
    const turn = ++this._turn;
    const ask = (name: string) => model.preview({ cell, name, offset: 0, limit: PAGE, place });
    const found = await Promise.all(names.map(ask)).catch(() => []);
    if (turn === this._turn && found.length) {
      const passes = found[0].passes ?? 0;
      const at = Math.min(place, passes - 1);
      if (!this._film || !this._walk || this._film.cell !== cell) {
        this._film = new Film(model, cell, () => this.update());
        this._film.need(Math.max(0, at - STRETCH / 2), Math.max(0, at));
      }
      this._walk = {
        cell,
        passes,
        place: at,
        film: this._film,
        sights: found.map(preview => [preview.name, seen(preview)]),
        picture: png(found[0].shown)
      };
      this.update();
    }
  }

  private _show(look: ILook | null): void {
    this._look = look;
    this.update();
  }

  /** Ask the server what is kept: it reads the notebook on the disk, so it is not asked at every turn. */
  private async _askKept(): Promise<void> {
    const [bench, cell] = [this._registry.current, this._registry.currentCell];
    if (!this.isVisible || !bench || !cell) {
      return;
    }
    try {
      this._kept = [cell, await this._registry.rest.kept(bench.panel.context.path, cell)];
    } catch {
      this._kept = null; // a cell that was never saved
    }
    this.update();
  }

  private _follow(): void {
    const model = this._registry.current?.model ?? null;
    if (model !== this._model) {
      this._model?.cellChanged.disconnect(this._onCell, this);
      this._model = model;
      model?.cellChanged.connect(this._onCell, this);
    }
    this._ask();
  }

  private _onCell(_: NotebookModel, id: string): void {
    if (id === this._registry.currentCell) {
      // It may have other passes now.
      this._walk = null;
      this._ask();
    } else if (this.isVisible) {
      this.update();
    }
  }

  private _ask(): void {
    if (!this.isVisible) {
      return;
    }
    const id = this._registry.currentCell;
    if (id !== this._asked) {
      this._asked = id;
      this._look = null;
    }
    this.update();
    if (id && this._model?.isActive) {
      this._model.inspect(id).then(
        inspection => {
          this._inspection = inspection;
          this.update();
          void this._keptLater.invoke().catch(() => undefined);
        },
        () => undefined // the kernel went away, and with it what was shown
      );
    }
  }

  private _asked: string | null = null;
  private _film: Film | null = null;
  private _inspection: Inspection | null = null;
  /** A cell and what is kept of it. */
  private _kept: [string, IKept] | null = null;
  private readonly _keptLater: Debouncer;
  private _look: ILook | null = null;
  private _model: NotebookModel | null = null;
  private _turn = 0;
  private _walk: (IWalk & { cell: string }) | null = null;
}

export const why: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:why`,
  description: 'Explains in the right sidebar what the cache decided on the selected cell.',
  autoStart: true,
  requires: [IRegistry],
  optional: [ITranslator, ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    registry: Registry,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ) => {
    const trans = (translator ?? nullTranslator).load(PACKAGE);
    const panel = new WhyPanel(registry, trans, app.commands);
    app.shell.add(panel, 'right', { rank: 800, type: 'Strata' });
    restorer?.add(panel, panel.id);
    app.commands.addCommand(CommandIDs.showWhy, {
      label: trans.__('Show Why'),
      caption: trans.__('Explain what the cache decided on the selected cell'),
      icon: whyIcon,
      isEnabled: () => registry.current !== null,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => app.shell.activateById(panel.id)
    });
    palette?.addItem({ command: CommandIDs.showWhy, category: 'Strata' });
  }
};
