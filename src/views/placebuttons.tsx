/** The buttons that the lists of the places have in common. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { addIcon, deleteIcon, editIcon, type LabIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { Item } from '../rest';

export interface IButtonProps {
  icon: LabIcon;
  label: string;
  disabled?: boolean;
  /** Whether what the button shows is there; left out where it shows nothing. */
  expanded?: boolean;
  onClick: () => void;
}

export function Button(props: IButtonProps): JSX.Element {
  const { icon: Icon, label, disabled, expanded, onClick } = props;
  return (
    <button
      type="button"
      className="strata-Places-button jp-mod-minimal"
      title={label}
      aria-label={label}
      aria-expanded={expanded}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon.react tag="span" aria-hidden="true" />
    </button>
  );
}

export interface IChangeProps {
  item: Item;
  /** The file that changes are written to. */
  file: string;
  trans: TranslationBundle;
  onEdit: () => void;
  onRemove: () => void;
}

/** What stands in the file is changed from here, and nothing else. */
export function Change({ item, file, trans, onEdit, onRemove }: IChangeProps): JSX.Element {
  const elsewhere = trans.__('%1 is declared elsewhere than in %2', item.name, file);
  return (
    <>
      <Button
        icon={editIcon}
        label={item.written ? trans.__('Edit %1', item.name) : elsewhere}
        disabled={!item.written}
        onClick={onEdit}
      />
      <Button
        icon={deleteIcon}
        label={item.written ? trans.__('Remove %1', item.name) : elsewhere}
        disabled={!item.written}
        onClick={onRemove}
      />
    </>
  );
}

export interface IListProps {
  title: string;
  /** What the button that adds one says. */
  add: string;
  /** What is said where there are none. */
  none: string;
  children: readonly JSX.Element[];
  onAdd: () => void;
}

/** One list under its title. */
export function List({ title, add, none, children, onAdd }: IListProps): JSX.Element {
  return (
    <section aria-label={title}>
      <div className="strata-Places-head">
        <h3>{title}</h3>
        <Button icon={addIcon} label={add} onClick={onAdd} />
      </div>
      {children.length ? <ul>{children}</ul> : <p className="strata-Places-empty">{none}</p>}
    </section>
  );
}
