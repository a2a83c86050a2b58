/** Underlines in an editor what is wrong with a cell, and says it where the pointer rests. */
import { StateEffect, StateField, type Extension, type Text } from '@codemirror/state';
import { Decoration, EditorView, type DecorationSet } from '@codemirror/view';
import type { Diagnostic } from '../protocol';

const findings = StateEffect.define<readonly Diagnostic[]>();

/** Holds the marks; they move with the text until the kernel has looked at it again. */
const marks = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (held, transaction) => {
    const effect = transaction.effects.find(item => item.is(findings));
    return effect
      ? underlined(transaction.newDoc, effect.value as readonly Diagnostic[])
      : held.map(transaction.changes);
  },
  provide: field => EditorView.decorations.from(field)
});

/** What an editor needs once, before it is shown findings. */
export const underlining: Extension = marks;

/** Show these findings in an editor, and no others. */
export function underline(view: EditorView, items: readonly Diagnostic[]): void {
  if (items.length || view.state.field(marks, false)?.size) {
    view.dispatch({ effects: findings.of(items) });
  }
}

/** Return where a finding lies in a text that may have changed since; null when it is nowhere in particular. */
export function span(text: Text, { line, column, end }: Diagnostic): [number, number] | null {
  if (!line || line > text.lines) {
    return null;
  }
  const { from, to, text: content } = text.line(line);
  const begin = Math.min(from + units(content, column ?? 0), to);
  const past = Math.min(from + units(content, end ?? 0), to);
  const found: [number, number] = past > begin ? [begin, past] : [from, to];
  return found[1] > found[0] ? found : null;
}

/** Return how many UTF-16 units the first characters of a line take: the kernel counts characters. */
function units(content: string, characters: number): number {
  return [...content].slice(0, characters).join('').length;
}

function underlined(text: Text, items: readonly Diagnostic[]): DecorationSet {
  const found = items.flatMap(item => {
    const place = span(text, item);
    const mark = Decoration.mark({
      class: `strata-Finding strata-mod-${item.severity ?? 'warning'}`,
      attributes: { title: item.message }
    });
    return place ? [mark.range(...place)] : [];
  });
  return Decoration.set(found, true);
}
