// Reads what src/columns.ts writes, as proto/wire/columns.go does: for tests, which look at what was sent.

interface Column {
  bytes: Uint8Array;
  at: number;
  last: number;
  seen: string[];
  items?: Column;
}

/** The values, as the JSON that they stand for. Throws on bytes that are not columns. */
export function readColumns(data: Uint8Array): string[] {
  let at = 0;
  const uvarint = (bytes: Uint8Array, from: number): [number, number] => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[from++];
      if (byte === undefined) throw new RangeError("cut short");
      value += (byte & 127) * scale;
      if (byte < 128) return [value, from];
    }
  };
  const head = () => {
    const [value, next] = uvarint(data, at);
    at = next;
    return value;
  };
  const lengths = Array.from({ length: head() }, head);
  const columns = lengths.map((length): Column => {
    at += length;
    return { bytes: data.subarray(at - length, at), at: 0, last: 0, seen: [] };
  });
  const texts = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
    .decode(data.subarray(at))
    .split("\0");
  const given = columns.values();
  const take = () => {
    const { value } = given.next();
    if (!value) throw new RangeError("no column left");
    return value;
  };
  let nth = 0;
  const text = () => {
    const value = texts[nth++];
    if (value === undefined) throw new RangeError("no text left");
    return value;
  };
  const next = (column: Column) => {
    const [value, after] = uvarint(column.bytes, column.at);
    column.at = after;
    return { kind: value % 8, value: Math.floor(value / 8) };
  };
  const int = (column: Column, step: number) => {
    column.last += step % 2 ? -(step + 1) / 2 : step / 2;
    return column.last;
  };
  const shapes: { keys: string[]; columns: Column[] }[] = [];
  const shapeColumn = take();
  const rows = take();
  const read = (column: Column): string => {
    const { kind, value } = next(column);
    if (kind === 0) return String(int(column, value));
    if (kind === 1) return JSON.stringify(column.seen[value]);
    if (kind === 2) {
      return `[${Array.from({ length: value }, () => {
        column.items ??= take();
        return read(column.items);
      })}]`;
    }
    if (kind === 3) {
      if (value === shapes.length) {
        const count = int(shapeColumn, next(shapeColumn).value);
        const own = Array.from({ length: count }, take);
        shapes.push({ columns: own, keys: Array.from({ length: count }, text) });
      }
      const { keys, columns: own } = shapes[value] as (typeof shapes)[0];
      return `{${keys.map((key, i) => `${JSON.stringify(key)}:${read(own[i] as Column)}`)}}`;
    }
    if (value < 3) return ["null", "false", "true"][value] as string;
    const written = text();
    if (value === 4) return written;
    column.seen.push(written);
    return JSON.stringify(written);
  };
  const out: string[] = [];
  while (rows.at < rows.bytes.length) out.push(read(rows));
  return out;
}
