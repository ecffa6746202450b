import type { Heatmap } from "../api/client";

/** The API's grid: so many columns across the viewport, rows of so many CSS pixels. */
export const columns = 100;
export const rowPixels = 12;

/** How tall the page has to be drawn to hold every cell. */
export const heightOf = (heat: Heatmap): number =>
  Math.max(0, ...heat.cells.map((cell) => (cell.row + 2) * rowPixels));

/** The colours of heat from faint to fierce, each with its alpha, as 256 RGBA entries. */
export function palette(): Uint8ClampedArray {
  const stops: [number, number, number, number, number][] = [
    [0, 30, 90, 200, 0],
    [0.12, 40, 120, 220, 0.42],
    [0.35, 30, 185, 170, 0.6],
    [0.6, 250, 205, 60, 0.72],
    [0.82, 245, 120, 40, 0.82],
    [1, 215, 35, 40, 0.9],
  ];
  const out = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i++) {
    const at = i / 255;
    const next = Math.max(
      1,
      stops.findIndex(([s]) => s >= at),
    );
    const [s0, ...from] = stops[next - 1] ?? [0, 0, 0, 0, 0];
    const [s1, ...to] = stops[next] ?? [1, 0, 0, 0, 0];
    const mix = (at - s0) / (s1 - s0 || 1);
    from.forEach((value, c) => {
      const v = value + ((to[c] ?? 0) - value) * mix;
      out[i * 4 + c] = c === 3 ? v * 255 : v;
    });
  }
  return out;
}

/** Draws the cells as overlapping soft spots; the fullest cell is the fiercest. */
export function draw(canvas: HTMLCanvasElement, heat: Heatmap, width: number, height: number) {
  // Half the page's resolution is more than soft spots need.
  const scale = 0.5;
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context || heat.cells.length === 0) return;
  const top = Math.max(...heat.cells.map((cell) => cell.count));
  const radius = 26 * scale;
  const spot = document.createElement("canvas");
  spot.width = spot.height = radius * 2;
  const ink = spot.getContext("2d");
  if (!ink) return;
  const soft = ink.createRadialGradient(radius, radius, 0, radius, radius, radius);
  soft.addColorStop(0, "rgb(0 0 0 / 100%)");
  soft.addColorStop(1, "rgb(0 0 0 / 0%)");
  ink.fillStyle = soft;
  ink.fillRect(0, 0, radius * 2, radius * 2);
  for (const { column, row, count } of heat.cells) {
    // The square root keeps rare places visible beside the fullest.
    context.globalAlpha = 0.14 + 0.86 * Math.sqrt(count / top);
    const x = ((column + 0.5) / columns) * canvas.width;
    const y = (row + 0.5) * rowPixels * scale;
    context.drawImage(spot, x - radius, y - radius);
  }
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  const colours = palette();
  for (let i = 0; i < image.data.length; i += 4) {
    const alpha = image.data[i + 3] ?? 0;
    for (let c = 0; c < 4; c++) image.data[i + c] = colours[alpha * 4 + c] ?? 0;
  }
  context.putImageData(image, 0, 0);
}
