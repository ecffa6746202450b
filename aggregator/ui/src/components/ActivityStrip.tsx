/** Bars of how busy each 24th of a visit was; the tallest fills the height, the smallest stays visible. */
export function ActivityStrip({ activity }: { activity: number[] }) {
  const top = Math.max(1, ...activity);
  const width = 100 / activity.length;
  return (
    <svg className="strip" viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
      {activity.map((count, i) => {
        const height = count === 0 ? 1.5 : 4 + 26 * Math.sqrt(count / top);
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place
          <rect key={i} x={i * width} y={30 - height} width={width * 0.72} height={height} rx={0.6} />
        );
      })}
    </svg>
  );
}
