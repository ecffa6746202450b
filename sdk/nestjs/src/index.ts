export {
  GoSightClient,
  type GoSightClientOptions,
  type GoSightEvent,
  type GoSightProblem,
  type GoSightStats,
} from "./client.ts";
export { GoSightExceptionFilter, GoSightInterceptor } from "./nest/hooks.ts";
export { GoSightModule } from "./nest/module.ts";
export type { GoSightModuleOptions, GoSightRequest } from "./nest/options.ts";
export { GoSightSession } from "./nest/session.ts";
