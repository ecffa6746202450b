import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { client, type SessionsQuery, unwrap } from "./client";

export const sessionsQuery = (project: string, filter: SessionsQuery) =>
  infiniteQueryOptions({
    queryKey: ["sessions", project, filter],
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET("/api/v1/sessions", {
          params: { query: { ...filter, project, cursor: pageParam || undefined, limit: 60 } },
          signal,
        }),
      ),
    getNextPageParam: (last) => last.next_cursor || undefined,
    placeholderData: keepPreviousData,
  });

export const facetsQuery = (project: string, from: number | undefined) =>
  queryOptions({
    queryKey: ["facets", project, from],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/facets", { params: { query: { project, from } }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: 15_000,
  });

export const sessionQuery = (project: string, id: string) =>
  queryOptions({
    queryKey: ["session", project, id],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/sessions/{id}", { params: { path: { id }, query: { project } }, signal })),
  });

export const eventsQuery = (project: string, id: string) =>
  infiniteQueryOptions({
    queryKey: ["events", project, id],
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET("/api/v1/sessions/{id}/events", {
          params: { path: { id }, query: { project, limit: 1000, cursor: pageParam || undefined } },
          signal,
        }),
      ),
    getNextPageParam: (last) => last.next_cursor || undefined,
  });

export interface InsightsParams {
  from: number;
  to: number;
  bucket_ms: number;
  kind?: string[];
  page?: string;
}

export const insightsQuery = (project: string, params: InsightsParams) =>
  queryOptions({
    queryKey: ["insights", project, params],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/insights", { params: { query: { ...params, project } }, signal })),
    placeholderData: keepPreviousData,
  });

export interface Period {
  from: number;
  to: number;
}

export const pagesQuery = (project: string, period: Period) =>
  queryOptions({
    queryKey: ["pages", project, period],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/pages", { params: { query: { ...period, project } }, signal })),
    placeholderData: keepPreviousData,
  });

export type Viewport = "desktop" | "tablet" | "mobile";

export const heatmapQuery = (
  project: string,
  params: Period & { page: string; kind: string; viewport: Viewport },
) =>
  queryOptions({
    queryKey: ["heatmap", project, params],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/heatmap", { params: { query: { ...params, project } }, signal })),
    enabled: params.page !== "",
    placeholderData: keepPreviousData,
  });

export const funnelQuery = (project: string, params: Period & { window_ms: number; step: string[] }) =>
  queryOptions({
    queryKey: ["funnel", project, params],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/funnel", { params: { query: { ...params, project } }, signal })),
    enabled: params.step.length >= 2,
    placeholderData: keepPreviousData,
  });

export const pathsQuery = (
  project: string,
  params: Period & { page: string; direction: "from" | "to"; steps: number },
) =>
  queryOptions({
    queryKey: ["paths", project, params],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/paths", { params: { query: { ...params, project } }, signal })),
    enabled: params.page !== "",
  });

export const retentionQuery = (project: string, period: Period) =>
  queryOptions({
    queryKey: ["retention", project, period],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/retention", { params: { query: { ...period, project } }, signal })),
    placeholderData: keepPreviousData,
  });

export const fleetQuery = queryOptions({
  queryKey: ["fleet"],
  queryFn: ({ signal }) => unwrap(client.GET("/api/v1/fleet", { signal })),
  refetchInterval: 5_000,
});

export const segmentsQuery = (project: string) =>
  queryOptions({
    queryKey: ["segments", project],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/segments", { params: { query: { project } }, signal })),
  });

export const annotationsQuery = (project: string, period: Period) =>
  queryOptions({
    queryKey: ["annotations", project, period],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/annotations", { params: { query: { ...period, project } }, signal })),
    placeholderData: keepPreviousData,
  });

/** One chunk of replay: from a moment's checkpoint, or after a cursor. */
export const loadReplay = (project: string, id: string, at: { from?: number; cursor?: string }) =>
  unwrap(
    client.GET("/api/v1/sessions/{id}/replay", {
      params: { path: { id }, query: { project, limit: 1500, from: at.from, cursor: at.cursor } },
    }),
  );
