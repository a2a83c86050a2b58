/** The form of a worker, a mount or a connection. */
import { Dialog, ReactWidget, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Declaration, IConnection, IMount, IWorker, Item, Place } from '../rest';
import * as connections from './connectionform';
import { kept, type IField, type Values } from './fields';

function fields(place: Place, trans: TranslationBundle): IField[] {
  if (place === 'connection') {
    return connections.fields(trans);
  }
  const isDask = (values: Values) => values.backend === 'dask';
  const isHttp = (values: Values) => values.backend !== 'dask';
  if (place === 'mount') {
    return [
      { key: 'name', label: trans.__('Name'), hint: 'data' },
      { key: 'uri', label: trans.__('Address'), hint: 's3://bucket/prefix' },
      { key: 'mode', label: trans.__('Mode'), choices: ['ro', 'rw'] },
      {
        key: 'pin',
        label: trans.__('Pin'),
        hint: trans.__('stands for the content, which is then not looked at')
      }
    ];
  }
  return [
    { key: 'name', label: trans.__('Name'), hint: 'gpu' },
    { key: 'backend', label: trans.__('Kind'), choices: ['http', 'dask'] },
    { key: 'url', label: trans.__('Address'), hint: 'http://10.0.0.7:9000', when: isHttp },
    {
      key: 'token_env',
      label: trans.__('Variable with the token'),
      hint: 'GPU_TOKEN',
      when: isHttp
    },
    {
      key: 'scheduler',
      label: trans.__('Scheduler'),
      hint: trans.__('tcp://10.0.0.7:8786, or local'),
      when: isDask
    },
    { key: 'resources', label: trans.__('Resources of a cell'), hint: 'GPU=1', when: isDask },
    {
      key: 'runtime_id',
      label: trans.__('Runtime'),
      hint: trans.__('what it runs: results stay valid when its address changes')
    }
  ];
}

/** Return what the form shows of a declaration. */
export function shown(item: Item | null, place: Place): Values {
  if (place === 'connection') {
    return connections.shown(item as IConnection | null);
  }
  if (place === 'mount') {
    const mount = item as IMount | null;
    return {
      name: mount?.name ?? '',
      uri: mount?.uri ?? '',
      mode: mount?.mode ?? 'ro',
      pin: mount?.pin ?? ''
    };
  }
  const worker = item as IWorker | null;
  const config = worker?.config ?? {};
  const resources = Object.entries((config.resources ?? {}) as Record<string, number>);
  return {
    name: worker?.name ?? '',
    backend: worker?.backend === 'dask' ? 'dask' : 'http',
    url: String(config.url ?? ''),
    token_env: String(config.token_env ?? ''),
    scheduler: String(config.scheduler ?? ''),
    resources: resources.map(([name, amount]) => `${name}=${amount}`).join(' '),
    runtime_id: worker?.runtime_id ?? ''
  };
}

/** Return the declaration that a form stands for; what the form does not show stays as it was. */
export function declaration(values: Values, item: Item | null, place: Place): Declaration {
  const former = item ? { former: item.name } : {};
  const { name } = values;
  if (place === 'connection') {
    return { name, config: connections.config(values, item as IConnection | null), ...former };
  }
  if (place === 'mount') {
    const { uri, mode, pin } = values;
    return {
      name,
      uri,
      mode,
      pin: pin || null,
      options: (item as IMount | null)?.options ?? {},
      ...former
    };
  }
  const isDask = values.backend === 'dask';
  const mine = {
    url: isDask ? '' : values.url,
    token_env: isDask ? '' : values.token_env,
    scheduler: isDask ? values.scheduler : '',
    resources: isDask ? amounts(values.resources) : null
  };
  const config = kept({ ...(item as IWorker | null)?.config, ...mine });
  return {
    name,
    backend: values.backend,
    runtime_id: values.runtime_id || null,
    config,
    ...former
  };
}

function amounts(text: string): Record<string, number> | null {
  const pairs = text.split(/[\s,]+/).filter(Boolean);
  return pairs.length
    ? Object.fromEntries(pairs.map(pair => [pair.split('=')[0], Number(pair.split('=')[1] ?? 1)]))
    : null;
}

class Form extends ReactWidget implements Dialog.IBodyWidget<Values> {
  constructor(
    private readonly _fields: readonly IField[],
    private readonly _values: Values,
    private readonly _error: string
  ) {
    super();
    this.addClass('strata-PlaceForm');
  }

  getValue(): Values {
    return this._values;
  }

  protected override render(): JSX.Element {
    const shown = this._fields.filter(field => field.when?.(this._values) ?? true);
    return (
      <>
        {this._error && (
          <p className="strata-PlaceForm-error" role="alert">
            {this._error}
          </p>
        )}
        {shown.map(field => (
          <label key={field.key} className="strata-PlaceForm-field">
            <span>{field.label}</span>
            {this._input(field)}
            {field.note && <span className="strata-PlaceForm-note">{field.note}</span>}
          </label>
        ))}
      </>
    );
  }

  private _input({ key, hint, choices }: IField): JSX.Element {
    const change = (value: string) => {
      this._values[key] = value.trim();
      this.update();
    };
    return choices ? (
      <select
        className="jp-mod-styled"
        name={key}
        defaultValue={this._values[key]}
        onChange={event => change(event.target.value)}
      >
        {choices.map(choice => (
          <option key={choice}>{choice}</option>
        ))}
      </select>
    ) : (
      <input
        className="jp-mod-styled"
        name={key}
        placeholder={hint}
        defaultValue={this._values[key]}
        spellCheck={false}
        autoComplete="off"
        onChange={event => change(event.target.value)}
      />
    );
  }
}

export interface IFormOptions {
  place: Place;
  /** What stands now; null for one that is added. */
  item: Item | null;
  trans: TranslationBundle;
  /** Writes it; what it throws is shown in the form, which stays open. */
  write: (body: Declaration) => Promise<void>;
}

/** Ask for one until it is written, or given up. */
export async function fill({ place, item, trans, write }: IFormOptions): Promise<void> {
  const added: Record<Place, string> = {
    worker: trans.__('Add a worker'),
    mount: trans.__('Add a mount'),
    connection: trans.__('Add a connection')
  };
  const values = shown(item, place);
  for (let error = ''; ;) {
    const { button } = await showDialog({
      title: item ? trans.__('Edit %1', item.name) : added[place],
      body: new Form(fields(place, trans), values, error),
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Save') })],
      focusNodeSelector: 'input'
    });
    if (!button.accept) {
      return;
    }
    error = place === 'connection' ? connections.refusal(values, trans) : '';
    if (error) {
      continue;
    }
    try {
      return await write(declaration(values, item, place));
    } catch (refusal) {
      error = (refusal as Error).message;
    }
  }
}
