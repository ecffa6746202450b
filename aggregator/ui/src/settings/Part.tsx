import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Busy, ErrorState, Skeleton } from "../components/States";

/** One part of the settings, under its title. */
export function Part(props: { title: string; hint: string; children: ReactNode }) {
  return (
    <section className="part">
      <header>
        <h2>{props.title}</h2>
        <p className="dim">{props.hint}</p>
      </header>
      {props.children}
    </section>
  );
}

/** What a query found; until then its shape, and where it failed why. */
export function Loaded<T>(props: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  const { data, error, refetch } = props.query;
  if (data !== undefined) return <div className="card">{props.children(data)}</div>;
  if (error)
    return (
      <div className="card">
        <ErrorState error={error} retry={() => refetch()} />
      </div>
    );
  return (
    <div className="card loading">
      <Busy />
      <Skeleton width="40%" />
      <Skeleton />
      <Skeleton width="70%" />
    </div>
  );
}
