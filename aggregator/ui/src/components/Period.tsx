import { useMemo } from "react";
import type { Period } from "../api/queries";
import { useI18n } from "../i18n";
import { type Range, rangeStart, ranges } from "../model/filters";
import { useNow } from "./clock";

/** A range as times, moving on once in `step` ms so that pages of one moment ask the same and share the answer. */
export function usePeriod(range: Range, step = 300_000): Period {
  const now = useNow(step);
  return useMemo(
    () => ({ from: rangeStart(range, now) ?? 1, to: Math.floor(now / 60_000) * 60_000 + 60_000 }),
    [range, now],
  );
}

/** The choice of a range; pages that sum up offer no "all", since their answers are bounded. */
export function RangeSelect({ range, choose }: { range: Range; choose: (range: Range) => void }) {
  const { t } = useI18n();
  return (
    <select
      className="field"
      aria-label={t("range.label")}
      value={range}
      onChange={(e) => choose(ranges.find((r) => r === e.target.value) ?? "7d")}
    >
      {ranges
        .filter((r) => r !== "all")
        .map((r) => (
          <option key={r} value={r}>
            {t(`range.${r}`)}
          </option>
        ))}
    </select>
  );
}
