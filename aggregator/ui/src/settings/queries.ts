import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { client, unwrap } from "../api/client";

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: ({ signal }) => unwrap(client.GET("/api/v1/me", { signal })),
});

export const projectsQuery = queryOptions({
  queryKey: ["projects"],
  queryFn: ({ signal }) => unwrap(client.GET("/api/v1/projects", { signal })),
});

export const projectQuery = (project: string) =>
  queryOptions({
    queryKey: ["project", project],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/project", { params: { query: { project } }, signal })),
  });

export const rulesQuery = (project: string) =>
  queryOptions({
    queryKey: ["rules", project],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/rules", { params: { query: { project } }, signal })),
  });

export const keysQuery = (project: string) =>
  queryOptions({
    queryKey: ["keys", project],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/keys", { params: { query: { project } }, signal })),
  });

/** Of a project, or of "*": those for all projects, which only admins of all may see. */
export const tokensQuery = (project: string) =>
  queryOptions({
    queryKey: ["tokens", project],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/tokens", { params: { query: { project } }, signal })),
  });

/** Looked at every second while one is under way. */
export const erasuresQuery = (project: string) =>
  queryOptions({
    queryKey: ["erasures", project],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/erasures", { params: { query: { project } }, signal })),
    refetchInterval: (query) => (query.state.data?.erasures.some((e) => !e.completed_at) ? 1000 : false),
  });

export const auditQuery = (project: string, subject: string) =>
  infiniteQueryOptions({
    queryKey: ["audit", project, subject],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET("/api/v1/audit", {
          params: { query: { project, subject: subject || undefined, before: pageParam, limit: auditPage } },
          signal,
        }),
      ),
    // A page that is not full is the last one.
    getNextPageParam: ({ entries }) => (entries.length < auditPage ? undefined : entries.at(-1)?.at),
    placeholderData: keepPreviousData,
  });

const auditPage = 50;
