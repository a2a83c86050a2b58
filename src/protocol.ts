/**
 * The messages of the comm `strata`. GENERATED from the kernel's records: do not edit, run `jlpm protocol`.
 *
 * Schema: sha256 c17e52cda816ad2a8ef6de410166b83be91f7275c168acd5c4971d69f1f8ed3d
 */

/**
 * Messages of the comm `strata`, protocol 1.
 */
export type StrataMessage = FromFrontend | FromKernel;
export type FromFrontend =
  | Hello
  | Document
  | DocumentPatch
  | RequestPlan
  | RequestInspect
  | RequestPreview
  | RequestPictures
  | RequestSchema
  | RequestExplain
  | Refresh
  | Forget
  | Queued
  | SetOption
  | SettingsChanged;
export type FromKernel =
  | Welcome
  | Graph
  | CellStatus
  | CellStatuses
  | CellOutputs
  | Diagnostics
  | Plan
  | Inspection
  | Preview
  | Pictures
  | Schema
  | Explanation
  | Workers;

/**
 * The first message: the frontend's protocol, the notebook's path, and whether it takes states by the dozen.
 */
export interface Hello {
  batches?: boolean;
  path?: string;
  protocol: number;
  type: 'hello';
}
/**
 * The whole document, in order, and the active variant of each group.
 */
export interface Document {
  cells: Cell[];
  revision: number;
  type: 'document';
  variants?: {
    [k: string]: string;
  };
}
/**
 * One cell as the client shows it: `id` is unique in its document, `kind` is code, markdown or raw.
 */
export interface Cell {
  id: string;
  kind?: string;
  source: string;
}
/**
 * What changed since the former revision: new or edited cells, and the order of all ids when it changed.
 */
export interface DocumentPatch {
  cells?: Cell[];
  order?: string[] | null;
  revision: number;
  type: 'document-patch';
  variants?: {
    [k: string]: string;
  } | null;
}
/**
 * Ask what running the targets would do; `id` comes back in the answer.
 */
export interface RequestPlan {
  id: string;
  mode?: 'force' | 'stale';
  targets?: string[];
  type: 'request-plan';
}
/**
 * Ask about a cell or a name.
 */
export interface RequestInspect {
  cell?: string | null;
  id: string;
  name?: string | null;
  type: 'request-inspect';
}
/**
 * Ask to see a value that a cell left, of a loop after that pass, counted from 0; of a table, these rows.
 */
export interface RequestPreview {
  cell: string;
  id: string;
  limit?: number;
  name: string;
  offset?: number;
  place?: number | null;
  type: 'request-preview';
}
/**
 * Ask for the pictures that some passes of a loop showed, counted from 0.
 */
export interface RequestPictures {
  cell: string;
  count: number;
  first: number;
  id: string;
  type: 'request-pictures';
}
/**
 * Ask what a declared connection reaches now: its engine and tables, or the columns of one table.
 */
export interface RequestSchema {
  connection: string;
  id: string;
  table?: string | null;
  type: 'request-schema';
}
/**
 * Ask how the database would run the query of a sql cell; `id` comes back in the answer.
 */
export interface RequestExplain {
  cell: string;
  id: string;
  type: 'request-explain';
}
/**
 * Run these cells anew the next time that they are run, whatever is cached.
 */
export interface Refresh {
  cells: string[];
  type: 'refresh';
}
/**
 * What was kept of these cells has been removed from the store.
 */
export interface Forget {
  cells: string[];
  type: 'forget';
}
/**
 * All cells that the frontend has asked to run or is about to, and that have not run yet; `force`: all anew.
 *
 * It takes the place of what was said before. Those that run on workers may begin ahead of their turns.
 */
export interface Queued {
  cells: string[];
  force?: boolean;
  type: 'queued';
}
/**
 * Change options of this session, such as `cascade`.
 */
export interface SetOption {
  options?: {};
  type: 'set-option';
}
/**
 * The settings file has been changed: the kernel need not wait for the next cell to look at it.
 */
export interface SettingsChanged {
  type: 'settings-changed';
}
/**
 * The answer to hello.
 */
export interface Welcome {
  options?: {};
  protocol?: number;
  type: 'welcome';
  version: string;
}
/**
 * The graph of one revision of the document.
 */
export interface Graph {
  cells: Node[];
  revision: number;
  type: 'graph';
}
/**
 * A cell in the graph: the names it reads and writes, and the cells it depends on.
 */
export interface Node {
  id: string;
  kind?: string;
  label?: string;
  reads?: string[];
  upstream?: string[];
  writes?: string[];
}
/**
 * The state of one cell and why it is so.
 *
 * `run_ms` is how long the run behind its value took, `ran_at` when it ended, in milliseconds since the epoch.
 */
export interface CellStatus {
  hit?: boolean | null;
  id: string;
  progress?: Progress | null;
  ranAt?: number | null;
  reasons?: Reason[];
  runMs?: number | null;
  savedMs?: number | null;
  state:
    | 'always'
    | 'blocked'
    | 'dispatching'
    | 'edited'
    | 'failed'
    | 'fresh'
    | 'frozen'
    | 'interrupted'
    | 'new'
    | 'queued'
    | 'running'
    | 'saving'
    | 'servable'
    | 'served'
    | 'stale';
  type: 'cell-status';
  worker?: string | null;
}
/**
 * How far something long has come.
 *
 * `label` says of what: `pass` counts those of a loop; `fetching`, `writing` (both of mounts), `sending` and
 * `receiving` (both of workers) count bytes.
 */
export interface Progress {
  done: number;
  label?: string;
  total?: number | null;
}
/**
 * Why something was decided: `code` for programs, `text` for people, line counted from 1 in the cell.
 */
export interface Reason {
  cell?: string | null;
  code: string;
  line?: number | null;
  name?: string | null;
  text: string;
}
/**
 * States of many cells at once, for frontends that take them so.
 */
export interface CellStatuses {
  items: CellStatus[];
  type: 'cell-statuses';
}
/**
 * Outputs, as nbformat has them, of a cell that the kernel ran or served on behalf of another.
 */
export interface CellOutputs {
  executionCount?: number | null;
  id: string;
  outputs: {}[];
  type: 'cell-outputs';
}
/**
 * All findings on one cell; an empty list takes former ones back.
 */
export interface Diagnostics {
  id: string;
  items: Diagnostic[];
  type: 'diagnostics';
}
/**
 * One finding. Lines count from 1; columns count characters from 0, `end` is exclusive; line 0 has no place.
 */
export interface Diagnostic {
  cell?: string | null;
  code: string;
  column?: number;
  end?: number;
  line?: number;
  message: string;
  severity?: 'error' | 'info' | 'warning';
  suggestion?: string | null;
}
/**
 * The answer to request-plan.
 */
export interface Plan {
  id: string;
  steps: Step[];
  type: 'plan';
}
/**
 * One cell of a plan: what would happen to it, why, and how long it took before.
 */
export interface Step {
  action: 'run' | 'serve' | 'skip';
  cell: string;
  reasons?: Reason[];
  seconds?: number | null;
}
/**
 * The answer to request-inspect: a text for people and the records behind it.
 */
export interface Inspection {
  cell?: string | null;
  details?: {};
  id: string;
  name?: string | null;
  text?: string;
  type: 'inspection';
}
/**
 * The answer to request-preview: rows, a picture (PNG in base64) or a text; else why there is none.
 *
 * Of a pass, how many passes there are to be seen, and the picture that it showed.
 */
export interface Preview {
  cell: string;
  id: string;
  image?: string | null;
  name: string;
  passes?: number | null;
  reason?: string | null;
  shown?: string | null;
  table?: TablePage | null;
  text?: string | null;
  type: 'preview';
}
/**
 * Some rows of a table; a value that JSON does not hold exactly is its text.
 */
export interface TablePage {
  columns: string[];
  offset: number;
  rows: unknown[][];
  total?: number | null;
  types: string[];
}
/**
 * The answer to request-pictures: PNGs in base64 from the first on, None for none, and the number of passes.
 */
export interface Pictures {
  cell: string;
  first: number;
  id: string;
  items: (string | null)[];
  passes: number;
  type: 'pictures';
}
/**
 * The answer to request-schema: the engine with its version and the tables, or columns; else why there are none.
 */
export interface Schema {
  columns?: Column[] | null;
  connection: string;
  engine?: string | null;
  id: string;
  reason?: string | null;
  table?: string | null;
  tables?: string[] | null;
  type: 'schema';
}
/**
 * One column of a table, its type in the engine's words.
 */
export interface Column {
  name: string;
  type: string;
}
/**
 * The answer to request-explain: the plan in words, else why there is none.
 */
export interface Explanation {
  cell: string;
  id: string;
  reason?: string | null;
  text?: string | null;
  type: 'explanation';
}
/**
 * The workers that cells may name.
 */
export interface Workers {
  items: WorkerItem[];
  type: 'workers';
}
/**
 * One worker.
 */
export interface WorkerItem {
  active?: number;
  name: string;
  state: string;
}
