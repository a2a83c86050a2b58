import { ordered } from '../views/findings';
import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { span, underline, underlining } from '../editor/findings';
import type { Diagnostic } from '../protocol';

const finding = (more: Partial<Diagnostic>): Diagnostic => ({
  code: 'worker_unknown',
  message: "no worker is named 'gppu'",
  ...more
});
const text = EditorState.create({ doc: 'x\n# @worker gppu\n# 🐢 @nme y' }).doc;

describe('findings', () => {
  it.each([
    [{ line: 2, column: 10, end: 14 }, 'gppu'],
    [{ line: 3, column: 4, end: 8 }, '@nme'],
    [{ line: 2 }, '# @worker gppu'],
    [{ line: 2, column: 10, end: 99 }, 'gppu']
  ])('lie where the kernel says: %j', (where, expected) => {
    const found = span(text, finding(where));
    expect(text.sliceString(...found!)).toBe(expected);
  });

  it.each([{}, { line: 9, column: 0, end: 3 }])('may lie nowhere: %j', where =>
    expect(span(text, finding(where))).toBeNull()
  );

  it('are underlined until they are taken back', () => {
    const view = new EditorView({ doc: text, extensions: [underlining] });
    const marked = () => view.dom.querySelector('.strata-Finding');
    underline(view, [finding({ line: 2, column: 10, end: 14, severity: 'error' })]);
    expect(marked()!.textContent).toBe('gppu');
    expect(marked()!.classList).toContain('strata-mod-error');
    expect(marked()!.getAttribute('title')).toContain('gppu');
    view.dispatch({ changes: { from: 0, insert: 'more\n' } });
    expect(marked()!.textContent).toBe('gppu');
    underline(view, []);
    expect(marked()).toBeNull();
    view.destroy();
  });
});

describe('ordered', () => {
  it('follows the cells and their lines, after what is on no cell, without cells that are gone', () => {
    const found = (id: string, line: number): [string, any] => [
      id,
      { code: id, message: '', line }
    ];
    const findings = [found('b', 2), found('gone', 1), found('a', 1), found('b', 1), found('', 0)];
    expect(ordered(findings, ['a', 'b']).map(([id, { line }]) => [id, line])).toEqual([
      ['', 0],
      ['a', 1],
      ['b', 1],
      ['b', 2]
    ]);
  });
});
