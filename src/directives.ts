/** Directives as text: the `# @name value` lines at the head of a cell. */

const line = (name: string) => new RegExp(`^[ \\t]*#[ \\t]*@${name}(?![\\w.(])`, 'i');

/** Return the lines of a cell's head: comments, blank lines and magics. */
export function head(source: string): string[] {
  const lines = source.split('\n');
  const end = lines.findIndex(text => text.trim() && !/^\s*(#|%%)/.test(text));
  return end < 0 ? lines : lines.slice(0, end);
}

/** Return the value of a directive, of the last one where it stands several times; null when there is none. */
export function directive(source: string, name: string): string | null {
  const found = head(source).filter(text => line(name).test(text));
  return found.length ? found[found.length - 1].replace(line(name), '').trim() : null;
}

/** Return the source with this value of a directive, in place of what stood there; null takes it away. */
export function withDirective(source: string, name: string, value: string | null): string {
  const above = head(source);
  const rest = source.split('\n').slice(above.length);
  const place = above.findIndex(text => line(name).test(text));
  const kept = above.filter(text => !line(name).test(text));
  if (value !== null) {
    // A magic stays in the first line, or it is none.
    const first = above[0]?.startsWith('%%') ? 1 : 0;
    kept.splice(place < 0 ? first : place, 0, `# @${name} ${value}`);
  }
  return [...kept, ...rest].join('\n');
}
