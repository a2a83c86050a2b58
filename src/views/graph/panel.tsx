/** The panel that holds the graph of the notebook that the user looks at. */
import {
  downloadIcon,
  filterIcon,
  InputGroup,
  ReactWidget,
  ToolbarButtonComponent,
  addIcon
} from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import * as React from 'react';
import { mermaid } from '../../graph';
import type { NotebookModel } from '../../model';
import { download, standalone } from './export';
import { Layout } from './layout';
import { sketch, type IDrawing } from './sketch';
import { GraphView } from './view';
import type { IViewport } from './viewport';
import { fitIcon, minusIcon } from '../icons';

/** What a panel shows, and what it tells of it. */
export interface ISubject {
  model: NotebookModel;
  selected: string | null;
  /** The notebook's file name, without its ending. */
  title: string;
  place: (id: string) => string;
  select: (id: string) => void;
  jump: (id: string) => void;
}

/** Draws one subject at a time. */
export class GraphPanel extends ReactWidget {
  constructor(private readonly _trans: TranslationBundle) {
    super();
    this.addClass('strata-Graph');
  }

  /** Show another notebook, or another cell of it as selected. */
  present(subject: ISubject | null): void {
    const model = subject?.model ?? null;
    if (model !== this._model) {
      if (this._model) {
        Signal.disconnectBetween(this._model, this);
      }
      this._model = model;
      this._drawing = null;
      model?.graphChanged.connect(this._arrange, this);
      this._arrange();
    }
    this._subject = subject;
    this.update();
  }

  /** Give the user the graph as a file. */
  export(format: 'svg' | 'mermaid'): void {
    const svg = this.node.querySelector<SVGSVGElement>('.strata-Graph-drawing');
    if (!this._subject || !this._drawing || !svg) {
      return;
    }
    const { title, model } = this._subject;
    if (format === 'svg') {
      const { width, height } = this._drawing;
      download(standalone(svg, width, height), `${title}.svg`, 'image/svg+xml');
    } else {
      download(mermaid(model.nodes), `${title}.mmd`, 'text/plain');
    }
  }

  override dispose(): void {
    this._arranger.dispose();
    Signal.clearData(this);
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._arrange();
  }

  protected override onAfterShow(): void {
    this._arrange();
    this.update();
  }

  protected override render(): JSX.Element {
    const [subject, drawing, trans] = [this._subject, this._drawing, this._trans];
    if (!subject || !drawing || drawing.boxes.length === 0) {
      return (
        <p className="strata-Graph-empty">
          {subject
            ? trans.__('The graph appears when the notebook has code.')
            : trans.__('Open a notebook with the Strata kernel to see the graph of its cells.')}
        </p>
      );
    }
    const { model, selected, place, select, jump } = subject;
    return (
      <>
        {this._renderToolbar()}
        <GraphView
          drawing={drawing}
          model={model}
          selected={selected}
          query={this._query}
          staleOnly={this._staleOnly}
          place={place}
          trans={trans}
          onSelect={select}
          onJump={jump}
          visible={this._visible}
          viewport={this._viewport}
        />
      </>
    );
  }

  private _renderToolbar(): JSX.Element {
    const trans = this._trans;
    return (
      <div className="strata-Graph-toolbar" role="toolbar" aria-label={trans.__('Graph')}>
        <InputGroup
          type="text"
          className="strata-Graph-search"
          placeholder={trans.__('Find cells or names')}
          aria-label={trans.__('Find cells or names')}
          rightIcon="ui-components:search"
          value={this._query}
          onChange={event => this._set(() => (this._query = event.target.value))}
        />
        <ToolbarButtonComponent
          icon={filterIcon}
          tooltip={trans.__('Stale cells only')}
          pressed={this._staleOnly}
          onClick={() => this._set(() => (this._staleOnly = !this._staleOnly))}
        />
        <ToolbarButtonComponent
          icon={minusIcon}
          tooltip={trans.__('Zoom out (−)')}
          onClick={() => this._viewport.current?.zoom(0.8)}
        />
        <ToolbarButtonComponent
          icon={addIcon}
          tooltip={trans.__('Zoom in (+)')}
          onClick={() => this._viewport.current?.zoom(1.25)}
        />
        <ToolbarButtonComponent
          icon={fitIcon}
          tooltip={trans.__('Show all (0)')}
          onClick={() => this._viewport.current?.fit()}
        />
        <ToolbarButtonComponent
          icon={downloadIcon}
          tooltip={trans.__('Save as SVG')}
          onClick={() => this.export('svg')}
        />
      </div>
    );
  }

  private _set(change: () => void): void {
    change();
    this.update();
  }

  private _arrange(): void {
    if (!this._model || !this.isVisible) {
      return;
    }
    const { nodes } = this._model;
    if (this._drawing && nodes === this._nodes) {
      return;
    }
    this._nodes = nodes;
    const next = sketch(nodes);
    const shape = JSON.stringify(next);
    if (this._drawing && shape === this._shape) {
      this.update();
      return;
    }
    const model = this._model;
    void this._arranger.arrange(next).then(drawing => {
      if (drawing && model === this._model) {
        this._drawing = drawing;
        this._shape = shape;
        this.update();
      }
    });
  }

  private _drawing: IDrawing | null = null;
  private readonly _arranger = new Layout();
  private _model: NotebookModel | null = null;
  private _nodes: NotebookModel['nodes'] = [];
  private _query = '';
  private _shape = '';
  private _staleOnly = false;
  private _subject: ISubject | null = null;
  private readonly _visible = () => this.isVisible;
  private readonly _viewport: React.MutableRefObject<IViewport | null> = { current: null };
}
