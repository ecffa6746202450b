// An application to be watched: a route of every kind that matters.
import {
  BadRequestException,
  type CanActivate,
  Controller,
  ForbiddenException,
  Get,
  Inject,
  Injectable,
  InternalServerErrorException,
  Module,
  Post,
  UseGuards,
} from "@nestjs/common";
import { from, type Observable } from "rxjs";
import { GoSightClient, GoSightModule, type GoSightModuleOptions, GoSightSession } from "../src/index.ts";

@Injectable()
class Refuse implements CanActivate {
  canActivate(): boolean {
    throw new ForbiddenException();
  }
}

@Injectable()
class Crash implements CanActivate {
  canActivate(): boolean {
    throw new Error("guard broke");
  }
}

@Controller("orders")
class Orders {
  constructor(
    @Inject(GoSightSession) private readonly session: GoSightSession,
    @Inject(GoSightClient) private readonly client: GoSightClient,
  ) {}

  @Get(":id")
  one() {
    return { ok: true };
  }

  @Post(":id/pay")
  async pay() {
    await new Promise((resolve) => setImmediate(resolve));
    this.session.track("paid", { total: 12 });
    this.client.track("elsewhere", "audit");
    return { ok: true };
  }

  @Get(":id/broken")
  async broken() {
    await new Promise((resolve) => setImmediate(resolve));
    throw new Error("no stock");
  }

  @Get(":id/odd")
  odd() {
    throw "just text";
  }

  @Get(":id/unavailable")
  unavailable() {
    throw new InternalServerErrorException("later");
  }

  @Get(":id/wrong")
  wrong() {
    throw new BadRequestException();
  }

  @Get(":id/survived")
  survived() {
    this.session.error(new Error("cache is down"));
    return { ok: true };
  }

  @Get(":id/stream")
  stream(): Observable<string> {
    return from(Promise.reject(new Error("late")));
  }

  @Get(":id/endless")
  endless() {
    return new Promise(() => {});
  }

  @UseGuards(Refuse)
  @Get(":id/refused")
  refused() {}

  @UseGuards(Crash)
  @Get(":id/crashed")
  crashed() {}
}

@Module({ controllers: [Orders] })
class OrdersModule {}

export function shop(options: GoSightModuleOptions) {
  return { module: class Shop {}, imports: [GoSightModule.forRoot(options), OrdersModule] };
}

export function shopAsync(options: GoSightModuleOptions) {
  return {
    module: class Shop {},
    imports: [GoSightModule.forRootAsync({ useFactory: async () => options }), OrdersModule],
  };
}
