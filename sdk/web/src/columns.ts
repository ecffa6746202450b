// Replay events in columns: what stands under one key in many objects stands together, numbers as the difference to
// the one before, texts once. Pages repeat themselves, so that a third of the bytes is left after compression, of
// what JSON would take. The agent makes JSON of it again, byte for byte what JSON.stringify gives; the format is
// described and read in proto/wire/columns.go.
import { concat, varint } from "./wire.ts";

/** In the low three bits of each value's varint. */
const INT = 0;
const SEEN = 1;
const ARRAY = 2;
const OBJECT = 3;
const OTHER = 4;
/** What OTHER says. */
const NULL = 0;
const FALSE = 1;
const TRUE = 2;
const TEXT = 3;
const LITERAL = 4;

/** Beyond this the difference of two numbers would not be exact. */
const LARGEST_INT = 2 ** 50;
/** Texts end with NUL, and lone surrogates are no UTF-8. */
const UNSAFE = /[\0\ud800-\udfff]/u;

class Column {
  bytes: number[] = [];
  last = 0;
  /** Texts that stood here, by their number. */
  seen = new Map<string, number>();
  /** Of the arrays that stand here. */
  items?: Column;

  put(kind: number, value: number): void {
    varint(value * 8 + kind, this.bytes);
  }

  int(value: number): void {
    const step = value - this.last;
    this.last = value;
    this.put(INT, step < 0 ? -2 * step - 1 : 2 * step);
  }
}

/** The keys of an object as far as they were read; a shape, if some object ends here. */
interface Keys {
  next: Map<string, Keys>;
  shape?: { number: number; columns: Column[] };
}

/** Collects values until `done`. */
export class Columns {
  /** Bytes so far, near enough. */
  size = 0;
  #columns: Column[] = [];
  #shapes = this.#column();
  #rows = this.#column();
  #keys: Keys = { next: new Map() };
  #known = 0;
  #text = "";

  #column(): Column {
    const column = new Column();
    this.#columns.push(column);
    return column;
  }

  #write(text: string): void {
    this.#text += `${text}\0`;
    this.size += text.length + 1;
  }

  /** Adds what JSON.stringify would write of `value`. */
  add(value: unknown): void {
    this.#add(this.#rows, value);
  }

  #add(column: Column, value: unknown): void {
    this.size++;
    if (typeof value === "string") this.#addText(column, value);
    else if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) < LARGEST_INT) {
      column.int(value);
    } else if (typeof value === "boolean") column.put(OTHER, value ? TRUE : FALSE);
    else if (Array.isArray(value)) {
      column.put(ARRAY, value.length);
      if (!value.length) return;
      column.items ??= this.#column();
      for (const item of value) this.#add(column.items, item);
    } else if (value && typeof value === "object" && !("toJSON" in value)) {
      this.#addObject(column, value as Record<string, unknown>);
    } else {
      const json = JSON.stringify(value) ?? "null";
      if (json === "null") column.put(OTHER, NULL);
      else this.#literal(column, json);
    }
  }

  #literal(column: Column, json: string): void {
    column.put(OTHER, LITERAL);
    this.#write(json);
  }

  #addText(column: Column, value: string): void {
    const seen = column.seen.get(value);
    if (seen !== undefined) column.put(SEEN, seen);
    else if (UNSAFE.test(value)) this.#literal(column, JSON.stringify(value));
    else {
      column.seen.set(value, column.seen.size);
      column.put(OTHER, TEXT);
      this.#write(value);
    }
  }

  #addObject(column: Column, value: Record<string, unknown>): void {
    let at = this.#keys;
    // Twice over the keys rather than a list of them: most objects have a shape that is known.
    for (const key in value) {
      if (!written(value[key])) continue;
      let next = at.next.get(key);
      if (!next) {
        next = { next: new Map() };
        at.next.set(key, next);
      }
      at = next;
    }
    if (!at.shape) {
      const path = Object.keys(value).filter((key) => written(value[key]));
      if (UNSAFE.test(path.join(""))) {
        this.#literal(column, JSON.stringify(value));
        return;
      }
      this.#shapes.int(path.length);
      for (const key of path) this.#write(key);
      at.shape = { number: this.#known++, columns: path.map(() => this.#column()) };
    }
    const { number, columns } = at.shape;
    column.put(OBJECT, number);
    let nth = 0;
    for (const key in value) if (written(value[key])) this.#add(columns[nth++] as Column, value[key]);
  }

  /** The bytes of all that was added. */
  done(): Uint8Array<ArrayBuffer> {
    const lengths = varint(this.#columns.length);
    for (const { bytes } of this.#columns) varint(bytes.length, lengths);
    const text = new TextEncoder().encode(this.#text);
    return concat([lengths, ...this.#columns.map(({ bytes }) => bytes), text]);
  }
}

/** JSON leaves out keys of these. */
const written = (value: unknown) =>
  value !== undefined && typeof value !== "function" && typeof value !== "symbol";
