import {
  ConfigurableModuleBuilder,
  Inject,
  Logger,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  type OnApplicationShutdown,
} from "@nestjs/common";
import { APP_INTERCEPTOR, ApplicationConfig } from "@nestjs/core";
import { GoSightClient } from "../client.ts";
import { warnSometimes } from "../warn.ts";
import { GoSightExceptionFilter, GoSightInterceptor, GoSightMiddleware } from "./hooks.ts";
import type { GoSightModuleOptions } from "./options.ts";
import { Requests } from "./requests.ts";
import { GoSightSession } from "./session.ts";

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<GoSightModuleOptions>(
  { moduleName: "GoSight" },
)
  .setClassMethodName("forRoot")
  .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
  .build();

/** Records the requests of browser sessions. `GoSightClient` and `GoSightSession` can be injected everywhere. */
@Module({
  providers: [
    {
      provide: GoSightClient,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: (options: GoSightModuleOptions) => {
        const logger = new Logger("GoSight");
        return new GoSightClient({ onProblem: warnSometimes((text) => logger.warn(text)), ...options });
      },
    },
    {
      provide: Requests,
      inject: [GoSightClient, MODULE_OPTIONS_TOKEN],
      useFactory: (client: GoSightClient, options: GoSightModuleOptions) => new Requests(client, options),
    },
    { provide: GoSightSession, inject: [Requests], useFactory: (r: Requests) => new GoSightSession(r) },
    { provide: APP_INTERCEPTOR, useClass: GoSightInterceptor },
    GoSightExceptionFilter,
  ],
  // Requests: for filters of the application that extend GoSightExceptionFilter.
  exports: [GoSightClient, GoSightSession, Requests],
})
export class GoSightModule extends ConfigurableModuleClass implements NestModule, OnApplicationShutdown {
  constructor(
    @Inject(GoSightClient) private readonly client: GoSightClient,
    @Inject(GoSightExceptionFilter) filter: GoSightExceptionFilter,
    @Inject(ApplicationConfig) config: ApplicationConfig,
  ) {
    super();
    // Of the global filters that match, Nest takes the one that came last. Now is before all of the application's:
    // as an APP_FILTER this one would go before theirs and answer in their place.
    config.addGlobalFilter(filter);
  }

  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(GoSightMiddleware).forRoutes("{*path}");
  }

  /** The last of the hooks: requests have been answered, and what they said is delivered before the process ends. */
  onApplicationShutdown(): Promise<void> {
    return this.client.close();
  }
}
