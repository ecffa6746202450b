export const roles = ["viewer", "analyst", "admin"] as const;
export type Role = (typeof roles)[number];

const rank = (role: string | undefined): number => roles.indexOf(role as Role);

/** What somebody may do in a project, by what they were granted there and everywhere. */
export function roleIn(grants: Record<string, string>, project: string): Role | undefined {
  return roles[Math.max(rank(grants["*"]), rank(grants[project]))];
}
