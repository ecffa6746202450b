import { useRouterState } from "@tanstack/react-router";

/** Whose data the pages show: the project named in the address. */
export function useProject(): string {
  return useRouterState({
    select: (state) => (state.location.search as { project?: string }).project ?? "default",
  });
}
