/** Takes a drawing out of the page: as an SVG that looks the same anywhere. */

/** What of an element's look comes from style sheets. */
const STYLES = [
  'color',
  'fill',
  'font-family',
  'font-size',
  'font-weight',
  'opacity',
  'paint-order',
  'stroke',
  'stroke-dasharray',
  'stroke-linecap',
  'stroke-linejoin',
  'stroke-width'
];

/** Return the whole drawing as the text of an SVG file, whatever part of it is in view. */
export function standalone(drawing: SVGSVGElement, width: number, height: number): string {
  const copy = drawing.cloneNode(true) as SVGSVGElement;
  const [originals, copies] = [drawing, copy].map(svg => [
    ...svg.querySelectorAll<SVGElement>('*')
  ]);
  originals.forEach((original, i) => {
    const style = getComputedStyle(original);
    copies[i].setAttribute(
      'style',
      STYLES.map(name => `${name}:${style.getPropertyValue(name)}`).join(';')
    );
    copies[i].removeAttribute('tabindex');
  });
  copy.querySelector(':scope > g')?.removeAttribute('transform');
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  copy.setAttribute('viewBox', `0 0 ${width} ${height}`);
  copy.setAttribute('width', String(width));
  copy.setAttribute('height', String(height));
  const page = getComputedStyle(drawing.parentElement ?? drawing).backgroundColor;
  copy.setAttribute('style', `background:${page}`);
  return new XMLSerializer().serializeToString(copy);
}

/** Give the user a file. */
export function download(text: string, name: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
