// Plays the visit that stands in the page as JSON; runs from a file, without a server.
import { Replayer } from "rrweb";
import "rrweb/dist/style.css";
import { quiet } from "../replay/quiet";
import "./offline.css";

interface Visit {
  title: string;
  events: unknown[];
  signals: { ts: number; kind: string; name: string; color: string }[];
}

const text = document.getElementById("visit")?.textContent ?? "null";
const visit = JSON.parse(text) as Visit;
const events = quiet(visit.events);
const start = events[0]?.timestamp ?? 0;
const length = Math.max(1, (events.at(-1)?.timestamp ?? 0) - start);

const make = <K extends keyof HTMLElementTagNameMap>(tag: K, className: string, parent: HTMLElement) => {
  const element = document.createElement(tag);
  element.className = className;
  parent.append(element);
  return element;
};
const clock = (ms: number) =>
  `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;

const stage = make("div", "stage", document.body);
const bar = make("div", "bar", document.body);
const button = make("button", "play", bar);
const time = make("span", "time", bar);
const line = make("div", "line", bar);
const slider = make("input", "slider", line);
Object.assign(slider, { type: "range", min: "0", max: String(length), value: "0" });
slider.setAttribute("aria-label", visit.title);

let size = { width: 1280, height: 800 };
const replayer = new Replayer(events, {
  root: stage,
  skipInactive: true,
  showWarning: false,
  triggerFocus: false,
});
const scaleToStage = () => {
  const scale = Math.min(stage.clientWidth / size.width, stage.clientHeight / size.height);
  replayer.wrapper.style.cssText = `width:${size.width}px;height:${size.height}px;transform:translate(-50%,-50%) scale(${scale})`;
};
replayer.on("resize", (next) => {
  size = next as typeof size;
  scaleToStage();
});
addEventListener("resize", scaleToStage);
scaleToStage();

let playing = false;
const set = (next: boolean, at = replayer.getCurrentTime()) => {
  playing = next;
  button.textContent = next ? "❚❚" : "▶";
  button.setAttribute("aria-label", next ? "Pause" : "Play");
  if (next) replayer.play(at >= length - 20 ? 0 : at);
  else replayer.pause(at);
};
button.onclick = () => set(!playing);
slider.oninput = () => set(playing, Number(slider.value));
replayer.on("finish", () => set(false, length));
for (const { ts, name, color } of visit.signals) {
  const mark = make("button", "mark", line);
  mark.title = name;
  mark.setAttribute("aria-label", name);
  mark.style.left = `${(100 * (ts - start)) / length}%`;
  mark.style.background = color;
  mark.onclick = () => set(true, Math.max(0, ts - start - 1500));
}
const tick = () => {
  const now = Math.min(length, replayer.getCurrentTime());
  if (document.activeElement !== slider || playing) slider.value = String(now);
  time.textContent = `${clock(now)} / ${clock(length)}`;
  requestAnimationFrame(tick);
};
tick();
set(true, 0);
