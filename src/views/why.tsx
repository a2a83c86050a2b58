/** Why the selected cell is in its state: what was decided last, what differed, what goes in and what comes out. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { ToolbarButtonComponent, type LabIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { ICellFacts } from '../model';
import type { Inspection } from '../protocol';
import type { IKept, IPlace } from '../rest';
import { Artifacts, parsed, type ILook, type IRow } from './artifacts';
import { STATE_ICONS } from './icons';
import { Lineage, type IStep } from './lineage';
import { Passes, type IWalk } from './passes';
import { badge, bytes, reason, sentence, when } from './words';

/** Names that share state, as a cell left them. */
interface IUnit {
  names: string[];
  version: string;
  summary: Record<string, string>;
  bytes: number | null;
  kind: string;
  /** Why it is not kept. */
  reason?: string | null;
}

/** What the kernel says of a cell; every part may be absent in another version. */
interface IDetails {
  key?: string | null;
  created?: number | null;
  inputs?: { name: string; cell: string; version: string; summary: string }[];
  outputs?: IUnit[];
  facts?: { kind: string; name: string }[];
}

/** Something that can be done with the cell. */
export interface IAction {
  icon: LabIcon;
  label: string;
  pressed?: boolean;
  enabled?: boolean;
  act: () => void;
}

export interface IWhyProps {
  walk: IWalk | null;
  /** The names that a loop carries; none in another cell. */
  carry: readonly string[];
  facts: ICellFacts;
  label: string;
  findings: readonly string[];
  inspection: Inspection | null;
  kept: IKept | null;
  lineage: IStep[];
  look: ILook | null;
  actions: IAction[];
  name: (id: string) => string;
  place: (id: string) => string;
  trans: TranslationBundle;
  onJump: (id: string) => void;
  onLook: (cell: string, name: string, offset: number) => void;
  onClose: () => void;
  onStep: (names: readonly string[], place: number) => void;
}

/** Return the reasons in the kernel's text, the lines that it lists, with cells told by where they are. */
export function reasons(text: string, place: (id: string) => string): string[] {
  const lines = text.split('\n').filter(line => line.startsWith('  - '));
  return lines.map(line => line.slice(4).replace(/ \(in (\S+)\)$/, (_, id) => ` in ${place(id)}`));
}

/** Return the lines that say what was decided last, without the cell's name and its present state. */
export function decisions(text: string): string[] {
  const lines = text.split('\n').slice(1);
  return lines.filter(line => line && !line.startsWith('  - ') && !line.startsWith('now: '));
}

const upper = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function Section(props: { title: string; children: React.ReactNode }): JSX.Element {
  return (
    <section className="strata-Why-section">
      <h3>{props.title}</h3>
      {props.children}
    </section>
  );
}

function inputs(details: IDetails): IRow[] {
  return (details.inputs ?? []).map(({ name, summary, version, cell }) => {
    return { name, summary: parsed(summary), version, cell };
  });
}

/** The names and the files that a run left. */
function outputs(details: IDetails, kept: IKept | null, trans: TranslationBundle): IRow[] {
  const names = (details.outputs ?? []).flatMap(unit =>
    unit.names
      .filter(name => !name.includes(':'))
      .map((name, i) => ({
        name,
        summary: parsed(unit.summary[name] ?? unit.kind, i === 0 ? unit.bytes : null),
        version: unit.version,
        note: [
          ...(unit.reason ? [trans.__('made again when it is needed: %1', unit.reason)] : []),
          ...(unit.names.length > 1
            ? [trans.__('shares state with %1', unit.names.filter(n => n !== name).join(', '))]
            : [])
        ].join(' · ')
      }))
  );
  const files = (kept?.artifacts ?? []).filter(artifact => artifact.kind === 'file');
  return [
    ...names,
    ...files.map(({ name, type, size, version }) => {
      const summary = { type: type || trans.__('file'), shape: '', size: size ? bytes(size) : '' };
      return { name, summary, version };
    })
  ];
}

/** Say where what is kept lies, and how much it is. */
export function stored(kept: IKept, trans: TranslationBundle): string[] {
  const words: Record<IPlace['where'], string> = {
    local: trans.__('on this machine'),
    remote: trans.__('in the shared store'),
    manifest: trans.__('in the record itself'),
    missing: trans.__('missing')
  };
  const sizes = new Map<IPlace['where'], number>();
  for (const { where, size } of kept.artifacts.flatMap(artifact => artifact.stored)) {
    sizes.set(where, (sizes.get(where) ?? 0) + size);
  }
  return [...sizes].map(([where, size]) => `${bytes(size)} ${words[where]}`);
}

function Kept({ details, kept, trans }: IWhyProps & { details: IDetails }): JSX.Element {
  const made = details.created ? when(details.created * 1000, Date.now()) : '';
  const places = kept?.key === details.key ? stored(kept!, trans) : [];
  return (
    <>
      <p>
        {[...places, made && trans.__('since %1', made), kept?.cell.pinned && trans.__('pinned')]
          .filter(Boolean)
          .join(' · ')}
      </p>
      <p className="strata-Why-version" title={details.key ?? ''}>
        {details.key!.slice(0, 24)}
      </p>
    </>
  );
}

/** What else the run saw, by kind. */
function World({ details, trans }: { details: IDetails; trans: TranslationBundle }): JSX.Element {
  const titles: Record<string, string> = {
    file: trans.__('Files'),
    absent: trans.__('Files that are not there'),
    dir: trans.__('Folders'),
    env: trans.__('Environment'),
    module: trans.__('Modules of yours'),
    dist: trans.__('Packages')
  };
  const kinds = Object.keys(titles).filter(kind => details.facts!.some(fact => fact.kind === kind));
  return (
    <>
      {kinds.map(kind => {
        const names = details.facts!.filter(fact => fact.kind === kind).map(fact => fact.name);
        return (
          <details key={kind} open={names.length < 6}>
            <summary>{`${titles[kind]} (${names.length})`}</summary>
            <ul>
              {names.map(name => (
                <li key={name}>{name}</li>
              ))}
            </ul>
          </details>
        );
      })}
    </>
  );
}

/** What can be done with the cell. */
function Actions({ actions, trans }: IWhyProps): JSX.Element {
  return (
    <div className="strata-Why-actions" role="toolbar" aria-label={trans.__('Cell')}>
      {actions.map(({ icon, label: tooltip, pressed, enabled = true, act }) => (
        <ToolbarButtonComponent
          key={tooltip}
          icon={icon}
          tooltip={tooltip}
          pressed={pressed}
          enabled={enabled}
          onClick={act}
        />
      ))}
    </div>
  );
}

/** Everything about one cell. */
export function WhyView(props: IWhyProps): JSX.Element {
  const { facts, label, findings, inspection, kept, lineage, carry, place, trans } = props;
  const details = (inspection?.details ?? {}) as IDetails;
  const left = outputs(details, kept, trans);
  const Icon = STATE_ICONS[facts.state];
  const text = inspection?.text ?? '';
  const why = [
    ...new Set(
      text ? reasons(text, place) : facts.reasons.map(item => reason(item, facts.id, place))
    )
  ];
  return (
    <div className="strata-Why-body">
      <header className="strata-Why-header strata-State" data-state={facts.state}>
        <Icon.react tag="span" className="strata-Why-icon" aria-hidden="true" />
        <h2>{label}</h2>
        <span className="strata-Why-state">{badge(facts, Date.now(), trans)}</span>
      </header>
      <Actions {...props} />
      <p>{sentence(facts, trans)}</p>
      {findings.map(finding => (
        <p key={finding} className="strata-Why-finding">
          {finding}
        </p>
      ))}
      {why.length > 0 && (
        <Section title={trans.__('Why')}>
          <ul className="strata-Why-reasons">
            {why.map(item => (
              <li key={item}>{upper(item)}</li>
            ))}
          </ul>
        </Section>
      )}
      {decisions(text).length > 0 && (
        <Section title={trans.__('Last decision')}>
          {decisions(text).map(item => (
            <p key={item}>{upper(item)}</p>
          ))}
        </Section>
      )}
      {!!details.inputs?.length && (
        <Section title={trans.__('Inputs')}>
          <Artifacts
            {...props}
            caption={trans.__('Inputs')}
            self={facts.id}
            rows={inputs(details)}
          />
        </Section>
      )}
      {left.length > 0 && (
        <Section title={trans.__('Outputs')}>
          <Artifacts {...props} caption={trans.__('Outputs')} self={facts.id} rows={left} />
        </Section>
      )}
      {carry.length > 0 && (
        <Section title={trans.__('Passes')}>
          <Passes {...props} />
        </Section>
      )}
      {lineage.length > 0 && (
        <Section title={trans.__('Lineage')}>
          <Lineage {...props} steps={lineage} />
        </Section>
      )}
      {!!details.facts?.length && (
        <Section title={trans.__('What else it saw')}>
          <World details={details} trans={trans} />
        </Section>
      )}
      {details.key && (
        <Section title={trans.__('Kept')}>
          <Kept {...props} details={details} />
        </Section>
      )}
    </div>
  );
}
