/** States, reasons and durations in words. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ICellFacts } from '../model';
import type { Reason } from '../protocol';
import type { State } from '../tokens';
import { usage, type IUsage } from '../usage';

/** Return a duration as people say it. */
export function duration(ms: number): string {
  if (ms < 1) {
    return '0 ms';
  }
  if (ms < 1000) {
    return `${Math.round(ms)} ms`;
  }
  const seconds = ms / 1000;
  if (seconds < 10) {
    return `${seconds.toFixed(1)} s`;
  }
  if (seconds < 60) {
    return `${Math.round(seconds)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    const rest = Math.floor(seconds % 60);
    return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
  }
  const rest = minutes % 60;
  return rest ? `${Math.floor(minutes / 60)} h ${rest} min` : `${Math.floor(minutes / 60)} h`;
}

/** Return a moment as people say it: the time today, else the day. */
export function when(at: number, now: number): string {
  const [then, today] = [new Date(at), new Date(now)];
  if (then.toDateString() === today.toDateString()) {
    return then.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
  }
  const year = then.getFullYear() === today.getFullYear() ? undefined : 'numeric';
  return then.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year });
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

function power(size: number): number {
  return Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(size, 1)) / 3));
}

/** Return a size in bytes as people say it. */
export function bytes(size: number): string {
  const value = size / 1000 ** power(size);
  return `${power(size) && value < 100 ? value.toFixed(1) : Math.round(value)} ${UNITS[power(size)]}`;
}

/** Translations are looked up once: a long notebook asks for hundreds of words after an edit. */
const known = new WeakMap<TranslationBundle, Record<State, string>>();

/** The state in a word or two. */
export function word(state: State, trans: TranslationBundle): string {
  let words = known.get(trans);
  if (!words) {
    known.set(trans, (words = translated(trans)));
  }
  return words[state] ?? state;
}

function translated(trans: TranslationBundle): Record<State, string> {
  return {
    new: trans.__('not run'),
    fresh: trans.__('ran'),
    served: trans.__('served'),
    servable: trans.__('will be served'),
    edited: trans.__('edited'),
    stale: trans.__('stale'),
    frozen: trans.__('frozen'),
    always: trans.__('always runs'),
    running: trans.__('running'),
    queued: trans.__('queued'),
    saving: trans.__('saving'),
    dispatching: trans.__('dispatching'),
    blocked: trans.__('blocked'),
    failed: trans.__('failed'),
    interrupted: trans.__('interrupted')
  };
}

/** What the state means, in a sentence. */
export function sentence(facts: ICellFacts, trans: TranslationBundle): string {
  const took = facts.runMs === null ? '' : duration(facts.runMs);
  const saved = facts.savedMs ?? facts.runMs;
  const sentences: Record<State, string> = {
    new: trans.__('Not run yet: nothing is known of it.'),
    fresh: took ? trans.__('Ran in %1.', took) : trans.__('Ran.'),
    served: trans.__('Served from the cache; running it took %1.', duration(saved ?? 0)),
    servable: trans.__('Will be served from the cache; running it took %1.', took || '?'),
    edited: trans.__('Edited since it ran.'),
    stale: trans.__('Stale: what it shows is not what it would show now.'),
    frozen: trans.__('Frozen: it keeps the answer it gave, and would give another one today.'),
    always: trans.__('Always runs: it is never served.'),
    running: trans.__('Running.'),
    queued: trans.__('Waits for its turn.'),
    saving: trans.__('Ran; its values are being saved.'),
    dispatching: trans.__('On its way to the worker %1.', facts.worker ?? ''),
    blocked: trans.__('Blocked: a cell that it needs did not succeed.'),
    failed: trans.__('Failed.'),
    interrupted: trans.__('Interrupted.')
  };
  return sentences[facts.state] ?? facts.state;
}

/** The text of a badge: the state, and the one number that matters in it. */
export function badge(facts: ICellFacts, now: number, trans: TranslationBundle): string {
  const { state, runMs, ranAt, savedMs, worker, began } = facts;
  const base = word(state, trans);
  const number = (ms: number | null) => (ms === null ? base : `${base} · ${duration(ms)}`);
  switch (state) {
    case 'served':
      return number(savedMs ?? runMs);
    case 'fresh': {
      const where = worker ? trans.__('ran on %1', worker) : base;
      return runMs === null ? where : `${where} · ${duration(runMs)}`;
    }
    case 'servable':
      return number(runMs);
    case 'running': {
      const counted = parts(facts, trans);
      const said = [
        ...(travels(facts) ? [] : [worker ? trans.__('running on %1', worker) : base]),
        ...counted,
        ...(began !== null && now - began >= 1000 ? [duration(now - began)] : []),
        ...(counted.length ? remaining(facts, now, trans) : [])
      ];
      return said.join(' · ');
    }
    case 'frozen': {
      const since = ranAt === null ? base : trans.__('frozen since %1', when(ranAt, now));
      return [since, ...spent(usage(facts.reasons), trans)].join(' · ');
    }
    case 'dispatching':
      return travels(facts)
        ? [...parts(facts, trans), ...remaining(facts, now, trans)].join(' · ')
        : worker
          ? `${base} → ${worker}`
          : base;
    default:
      return base;
  }
}

/** Whether what is counted are the bytes between here and the cell's worker. */
function travels({ progress }: ICellFacts): boolean {
  return progress?.label === 'sending' || progress?.label === 'receiving';
}

/** How far a cell has come: passes of a loop, or bytes. */
function parts({ progress, worker }: ICellFacts, trans: TranslationBundle): string[] {
  if (!progress?.total) {
    return [];
  }
  const { done, total, label } = progress;
  const part = trans.__('%1 of %2', +(done / 1000 ** power(total)).toFixed(1), bytes(total));
  switch (label) {
    case 'fetching':
      return [trans.__('fetching %1', part)];
    case 'writing':
      return [trans.__('writing %1', part)];
    case 'sending':
      return [trans.__('sending %1 → %2', part, worker ?? '')];
    case 'receiving':
      return [trans.__('receiving %1 ← %2', part, worker ?? '')];
    default:
      return [`${done}/${total}`];
  }
}

/** What models took, in a few words. */
export function spent(took: IUsage | null, trans: TranslationBundle): string[] {
  return [
    ...(took ? [trans.__('%1 tokens', took.tokens.toLocaleString())] : []),
    ...(took?.cost ? [took.cost.toPrecision(2)] : [])
  ];
}

/** How long the parts that are left take, if they take as long as those that have run. */
function remaining(
  { progress, pace }: ICellFacts,
  now: number,
  trans: TranslationBundle
): string[] {
  const ran = pace && progress ? progress.done - pace.done : 0;
  const left = ran > 0 ? ((now - pace!.at) / ran) * (progress!.total! - progress!.done) : 0;
  return left >= 1000 ? [trans.__('about %1 left', duration(left))] : [];
}

/** A reason in words; `place` says where a cell is. */
export function reason(of: Reason, self: string, place: (id: string) => string): string {
  const where = of.cell && of.cell !== self ? ` in ${place(of.cell)}` : '';
  const line = of.line ? `, line ${of.line}` : '';
  return of.text + where + line;
}
