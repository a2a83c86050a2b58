/** The passes of a loop, one at a time: what each left of the names it carries, and the picture it showed. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Preview, type ISight } from './preview';
import { Strip } from './strip';

/** Where somebody stands who walks through the passes, counted from 0. */
export interface IWalk {
  place: number;
  passes: number;
  sights: [string, ISight][];
  /** An address of what the pass showed. */
  picture?: string | null;
  film?: IFilm;
}

/** The pictures of all passes, as far as they were fetched. */
export interface IFilm {
  readonly isSeen: boolean;
  picture(place: number): string | null | undefined;
  need(first: number, last: number): void;
}

export interface IPassesProps {
  /** The names that the loop carries. */
  carry: readonly string[];
  walk: IWalk | null;
  trans: TranslationBundle;
  onStep: (names: readonly string[], place: number) => void;
}

/** Whoever begins stands at the last pass, whichever that is. */
const LAST = 2 ** 31;

export function Passes({ carry, walk, trans, onStep }: IPassesProps): JSX.Element {
  if (!walk) {
    return (
      <button className="strata-Link" onClick={() => onStep(carry, LAST)}>
        {trans.__('Step through the passes')}
      </button>
    );
  }
  const { place, passes, sights, picture, film } = walk;
  if (passes === 0) {
    return <p className="strata-Why-quiet">{trans.__('No pass is kept yet.')}</p>;
  }
  const text = trans.__('Pass %1 of %2', place + 1, passes);
  return (
    <>
      <label className="strata-Passes">
        <input
          type="range"
          min={0}
          max={passes - 1}
          value={place}
          aria-label={trans.__('Pass')}
          aria-valuetext={text}
          onChange={event => onStep(carry, Number(event.target.value))}
        />
        <span>{text}</span>
      </label>
      {film && (picture || film.isSeen) && (
        <Strip
          passes={passes}
          place={place}
          picture={each => film.picture(each)}
          trans={trans}
          onSelect={to => onStep(carry, to)}
          onNeed={(first, last) => film.need(first, last)}
        />
      )}
      {picture && <img className="strata-Passes-picture" src={picture} alt={text} />}
      {sights.map(([name, sight]) => (
        <Preview key={name} name={name} sight={sight} trans={trans} />
      ))}
    </>
  );
}
