/** Line icons on a 16 px grid; each is decoration, its meaning stands in text beside it or in a label. */
const shapes = {
  rage_click: "M3 12.500 5 9l2 2 2-4 2 3 2-6M2 3.500h3M2 6.500h2",
  error_click: "M8 1.800 14.500 13.500h-13ZM8 6.200v3.300M8 11.500v.3",
  dead_click: "M4 2.500 12 10l-3.500.3L7 13.500ZM10.500 2.500l3 3m0-3-3 3",
  unresponsive_click:
    "M8 2.200A5.800 5.800 0 1 0 13.800 8M8 4.800V8l2.200 1.400M11.500 2.500h2.500M11.500 5h1.500",
  thrashed_cursor: "M2 9.500l3-5 2 6 2-8 2 9 1.500-4H14.500",
  quick_back: "M6.500 4 2.500 8l4 4M2.500 8h8a3 3 0 0 0 0-6H9",
  excessive_scroll:
    "M5 2.500v11m0-11L2.800 4.700M5 2.500l2.200 2.200M11 13.500v-11m0 11-2.200-2.200M11 13.500l2.200-2.200",
  u_turn: "M4.500 13.500v-6a3.500 3.500 0 0 1 7 0v5M9.300 10.300l2.200 2.200 2.200-2.200",
  other: "M8 3v6M8 12v.5",
  sessions: "M2 3.500h12M2 8h12M2 12.500h8",
  insights: "M2.500 13.500v-5M6.500 13.500v-11M10.500 13.500v-7M14 13.500H2",
  heatmap:
    "M8 8m-1.500 0a1.500 1.500 0 1 0 3 0a1.500 1.500 0 1 0-3 0M8 8m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0M8 8m-6.500 0a6.500 6.500 0 1 0 13 0a6.500 6.500 0 1 0-13 0",
  funnel: "M2 3h12l-4.500 5.500V13l-3 1V8.500Z",
  paths: "M2.500 8h4l3-4.500h4M6.500 8l3 4.500h4",
  retention:
    "M2.500 2.500h3v3h-3ZM2.500 6.500h3v3h-3ZM6.500 6.500h3v3h-3ZM2.500 10.500h3v3h-3ZM6.500 10.500h3v3h-3ZM10.500 10.500h3v3h-3Z",
  pipeline:
    "M2 5.500h5v5H2ZM9.500 3h4.500v3.500H9.500ZM9.500 9.500H14V13H9.500ZM7 8h1.200V4.700h1.300M8.200 8v3.200h1.300",
  flag: "M4 14V2.500h8L10 5.500l2 3H4",
  save: "M4 2.500h8v11L8 10.500 4 13.500Z",
  settings: "M2 4.500h6.500M12 4.500h2M10.200 2.800v3.400M2 11.500h2M7.500 11.500H14M5.800 9.800v3.400",
  key: "M10.500 2.500a3 3 0 1 0 0 6a3 3 0 1 0 0-6M8.400 7.600 2.500 13.500M4.500 11.500l2 2",
  trash: "M2.500 4.500h11M6 4.500v-2h4v2M4 4.500l.7 9h6.600l.7-9",
  copy: "M6 2.500h7.500V10H6ZM10 10v3.500H2.500V6H6",
  lock: "M4 7h8v6.500H4ZM5.500 7V5a2.500 2.500 0 0 1 5 0v2",
  docs: "M5 4 1.500 8 5 12M11 4l3.500 4L11 12",
  moon: "M13.500 9.800A6 6 0 0 1 6.200 2.500a6 6 0 1 0 7.300 7.300Z",
  search: "M7 2.500a4.500 4.500 0 1 0 0 9a4.500 4.500 0 1 0 0-9M10.300 10.300 14 14",
  user: "M8 2.500a2.700 2.700 0 1 0 0 5.400a2.700 2.700 0 1 0 0-5.400M2.800 13.800c.6-2.700 2.600-4 5.200-4s4.600 1.300 5.200 4",
  filter: "M2 4h12M4.500 8h7M6.500 12h3",
  close: "M4 4l8 8m0-8-8 8",
  play: "M5 3.200v9.600l8-4.800Z",
  pause: "M5 3.500v9M11 3.500v9",
  restart: "M3 8a5 5 0 1 0 1.700-3.700M3 2.500v3h3",
  next: "M4 3.500l6 4.500-6 4.500ZM12 3.500v9",
  prev: "M12 3.500 6 8l6 4.500ZM4 3.500v9",
  skip: "M2.500 4 8 8l-5.500 4ZM8.500 4 14 8l-5.500 4Z",
  link: "M6.500 9.500a3 3 0 0 0 4.300 0l2.300-2.300a3 3 0 0 0-4.300-4.300l-.9.900M9.500 6.500a3 3 0 0 0-4.300 0L2.900 8.800a3 3 0 0 0 4.300 4.300l.9-.9",
  back: "M9.500 3.500 5 8l4.500 4.500",
  check: "M3 8.500l3.300 3.300L13 4.500",
  expand: "M2.500 6v-3.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10",
  download: "M8 2.500v8M4.500 7.500 8 11l3.500-3.500M2.500 13.500h11",
  empty: "M2 6.500 4.500 2.500h7L14 6.500v7H2ZM2 6.500h3.500l1 2h3l1-2H14",
  plus: "M8 3v10M3 8h10",
  click: "M5.500 5.500 14 8.500l-3.600 1.600L8.800 14ZM3 3l1 1M6 1.800v1.500M1.800 6h1.500",
  scroll: "M8 2.500v11M5.500 11 8 13.500 10.500 11M5.500 5 8 2.500 10.500 5",
  input: "M2 4.500h12v7H2ZM5 7v2",
  navigate: "M2.500 8h11M9.500 4l4 4-4 4",
  page: "M3.500 2h6l3 3v9h-9ZM9.500 2v3h3",
  error: "M8 1.800 14.500 13.500h-13ZM8 6.200v3.300M8 11.500v.3",
  console: "M3 4.500 6.500 8 3 11.500M8 12h5",
  network: "M2.500 5.500h11L10.500 2.500M13.500 10.500h-11l3 3",
  vital: "M2 8.500h3L6.500 4l3 8L11 8.500h3",
  custom: "M8 2l1.800 4 4.200.4-3.200 2.800 1 4.300L8 11.200 4.200 13.500l1-4.300L2 6.400 6.200 6Z",
  pointer: "M4 2.500 13 8.200l-4 .8-2 4Z",
  exit: "M6 2.500H3v11h3M10.500 4.500 14 8l-3.500 3.500M14 8H6.500",
} as const;

export type IconName = keyof typeof shapes;

const filled: IconName[] = ["play"];

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path
        d={shapes[name]}
        fill={filled.includes(name) ? "currentColor" : "none"}
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}

export const hasIcon = (name: string): name is IconName => name in shapes;
