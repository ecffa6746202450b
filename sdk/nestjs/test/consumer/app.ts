// What someone who installed the package writes: compiled and run by pack.test.ts, against the packed tarball, as
// ESM and as CommonJS, with the decorator metadata that Nest applications rely on.
import "reflect-metadata";
// biome-ignore lint/style/useImportType: emitDecoratorMetadata needs the classes.
import { GoSightClient, GoSightModule, type GoSightModuleOptions, GoSightSession } from "@gosight/nestjs";
import { GoSightClient as SameClient } from "@gosight/nestjs/client";
import { Controller, Get, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { ExpressAdapter } from "@nestjs/platform-express";
import { FastifyAdapter } from "@nestjs/platform-fastify";

const options: GoSightModuleOptions = { endpoint: process.env.AGENT ?? "", key: "k" };
// @ts-expect-error The declarations are found: an endpoint is a string.
const wrong: GoSightModuleOptions = { endpoint: 7710 };

@Controller("orders")
class Orders {
  constructor(
    private readonly client: GoSightClient,
    private readonly session: GoSightSession,
  ) {}

  @Get(":id/broken")
  broken(): void {
    this.client.track("by-client", "seen");
    this.session.track("seen");
    throw new Error("no stock");
  }
}

@Module({ imports: [GoSightModule.forRoot(options)], controllers: [Orders] })
class Shop {}

async function main(): Promise<void> {
  for (const adapter of [new ExpressAdapter(), new FastifyAdapter()]) {
    const app = await NestFactory.create(Shop, adapter, { logger: ["error"] });
    await app.listen(0, "127.0.0.1");
    const name = adapter.getType();
    const answer = await fetch(`${await app.getUrl()}/orders/7/broken`, {
      headers: { "x-gosight-session": name },
    });
    if (answer.status !== 500) throw new Error(`${name} answered ${answer.status}`);
    if (app.get(SameClient) !== app.get(GoSightClient)) throw new Error("two classes named GoSightClient");
    await app.close();
  }
  if (wrong.endpoint === undefined) throw new Error("unreachable");
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
