/** Why the selected cell is in its state: what was decided last, what differed, what goes in and what comes out. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ICellFacts } from '../model';
import type { Inspection } from '../protocol';
import { STATE_ICONS } from './icons';
import { badge, bytes, sentence } from './words';

/** Names that share state, as a cell left them. */
interface IUnit {
  names: string[];
  version: string;
  summary: Record<string, string>;
  bytes: number | null;
  kind: string;
}

/** What the kernel says of a cell; every part may be absent in another version. */
interface IDetails {
  key?: string | null;
  created?: number | null;
  inputs?: { name: string; cell: string; version: string; summary: string }[];
  outputs?: IUnit[];
  facts?: { kind: string; name: string }[];
}

export interface IWhyProps {
  facts: ICellFacts;
  label: string;
  findings: readonly string[];
  inspection: Inspection | null;
  name: (id: string) => string;
  trans: TranslationBundle;
  onJump: (id: string) => void;
}

/** Versions are long, and their beginnings tell them apart. */
const short = (version: string) => version.slice(0, 8);

/** Return the reasons in the kernel's text: the lines that it lists. */
export function reasons(text: string): string[] {
  const lines = text.split('\n').filter(line => line.startsWith('  - '));
  return lines.map(line => line.slice(4));
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

function Inputs({ details, name, trans, onJump }: IWhyProps & { details: IDetails }): JSX.Element {
  return (
    <table className="strata-Why-table">
      <tbody>
        {details.inputs!.map(input => (
          <tr key={input.name}>
            <th scope="row">{input.name}</th>
            <td>{input.summary}</td>
            <td>
              <button
                className="strata-Link"
                onClick={() => onJump(input.cell)}
                title={trans.__('Go to the cell that makes it')}
              >
                {name(input.cell)}
              </button>
            </td>
            <td className="strata-Why-version" title={input.version}>
              {short(input.version)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What a unit takes in the store, where its summary does not say so already. */
function kept(unit: IUnit, place: number, trans: TranslationBundle): string {
  if (unit.bytes === null) {
    return trans.__('not kept');
  }
  return unit.names.length > 1 && place === 0 ? bytes(unit.bytes) : '';
}

function Outputs({ details, trans }: { details: IDetails; trans: TranslationBundle }): JSX.Element {
  return (
    <table className="strata-Why-table">
      <tbody>
        {details.outputs!.flatMap(unit =>
          unit.names
            .filter(output => !output.includes(':'))
            .map((output, i) => (
              <tr key={output}>
                <th scope="row">{output}</th>
                <td>{unit.summary[output] ?? unit.kind}</td>
                <td>{kept(unit, i, trans)}</td>
                <td className="strata-Why-version" title={unit.version}>
                  {short(unit.version)}
                </td>
              </tr>
            ))
        )}
      </tbody>
    </table>
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

/** Everything about one cell. */
export function WhyView(props: IWhyProps): JSX.Element {
  const { facts, label, findings, inspection, trans } = props;
  const details = (inspection?.details ?? {}) as IDetails;
  const Icon = STATE_ICONS[facts.state];
  const text = inspection?.text ?? '';
  const why = [
    ...new Set([...reasons(text), ...(text ? [] : facts.reasons.map(item => item.text))])
  ];
  return (
    <div className="strata-Why-body">
      <header className="strata-Why-header" data-state={facts.state}>
        <Icon.react tag="span" className="strata-Why-icon" aria-hidden="true" />
        <h2>{label}</h2>
        <span className="strata-Why-state">{badge(facts, Date.now(), trans)}</span>
      </header>
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
          <Inputs {...props} details={details} />
        </Section>
      )}
      {!!details.outputs?.length && (
        <Section title={trans.__('Outputs')}>
          <Outputs details={details} trans={trans} />
        </Section>
      )}
      {!!details.facts?.length && (
        <Section title={trans.__('What else it saw')}>
          <World details={details} trans={trans} />
        </Section>
      )}
      {details.key && (
        <Section title={trans.__('Kept under')}>
          <p className="strata-Why-version" title={details.key}>
            {details.key.slice(0, 16)}
            {details.created ? ` · ${new Date(details.created * 1000).toLocaleString()}` : ''}
          </p>
        </Section>
      )}
    </div>
  );
}
