// The chunk that measures web vitals, by the package of that name.
import { type Metric, onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals";

export interface VitalsModule {
  measure(tell: (name: string, value: number, rating: string) => void): void;
}

export function measure(tell: (name: string, value: number, rating: string) => void): void {
  const report = ({ name, value, rating }: Metric) => tell(name, Math.round(value * 1000) / 1000, rating);
  for (const on of [onCLS, onFCP, onINP, onLCP, onTTFB]) on(report);
}
