import { useI18n } from "../i18n";
import { byGravity, kindColor, kindKey } from "../model/signals";
import { hasIcon, Icon } from "./Icon";

export function KindIcon({ kind, size = 13 }: { kind: string; size?: number }) {
  return <Icon name={hasIcon(kind) ? kind : "other"} size={size} />;
}

/** The kind's name in the reader's language. */
export function useKindName(): (kind: string) => string {
  const { t } = useI18n();
  return (kind) => {
    const key = kindKey(kind);
    return key ? t(key) : kind;
  };
}

/** A kind with its colour, mark and name, or its count where room is little. */
export function KindChip({ kind, count, short }: { kind: string; count?: number; short?: boolean }) {
  const name = useKindName()(kind);
  return (
    <span className="chip num" style={{ "--c": kindColor(kind) }} title={name}>
      <KindIcon kind={kind} />
      {short ? <span className="unseen">{name}</span> : name}
      {count !== undefined && <span>{count}</span>}
    </span>
  );
}

/** A visit's signals; where there is but one kind, it is spelt out. */
export function SignalChips({ signals }: { signals: Record<string, number> }) {
  const found = Object.entries(signals).sort(([a], [b]) => byGravity(a, b));
  return (
    <div className="chips">
      {found.map(([kind, count]) => (
        <KindChip key={kind} kind={kind} count={count} short={found.length > 1} />
      ))}
    </div>
  );
}
