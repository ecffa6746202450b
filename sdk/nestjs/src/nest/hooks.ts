import {
  type ArgumentsHost,
  type CallHandler,
  Catch,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  type NestMiddleware,
} from "@nestjs/common";
import { BaseExceptionFilter } from "@nestjs/core";
import { Observable, tap, throwError } from "rxjs";
import { Requests } from "./requests.ts";

type Incoming = Parameters<Requests["begin"]>[0];
type Outgoing = Parameters<Requests["begin"]>[1];

/** Follows a request from before the guards, so that what they refuse is timed too. */
@Injectable()
export class GoSightMiddleware implements NestMiddleware<Incoming, Outgoing> {
  constructor(@Inject(Requests) private readonly requests: Requests) {}

  use(request: Incoming, response: Outgoing, next: () => void): void {
    this.requests.begin(request, response);
    next();
  }
}

/** Knows the route that was taken, sees what its handler fails with, and makes the request the current one. */
@Injectable()
export class GoSightInterceptor implements NestInterceptor {
  constructor(@Inject(Requests) private readonly requests: Requests) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== "http") return next.handle();
    const http = context.switchToHttp();
    const trace = this.requests.begin(http.getRequest(), http.getResponse());
    if (!trace) return next.handle();
    this.requests.routed(trace, http.getRequest());
    const watched = () =>
      next.handle().pipe(tap({ error: (cause: unknown) => this.requests.failed(trace, cause) }));
    // The handler runs when it is subscribed to.
    return new Observable((subscriber) => this.requests.within(trace, () => watched().subscribe(subscriber)));
  }
}

/**
 * Sees what fails outside of handlers (middleware, guards), and answers as Nest does. The module gives it the lowest
 * rank, so that it never answers where the application has a filter of its own; such a filter may extend this one.
 */
@Catch()
export class GoSightExceptionFilter extends BaseExceptionFilter {
  constructor(@Inject(Requests) private readonly requests: Requests) {
    super();
  }

  override catch(exception: unknown, host: ArgumentsHost): Observable<never> | undefined {
    if (host.getType() === "rpc") return throwError(() => exception);
    if (host.getType() !== "http") throw exception;
    const http = host.switchToHttp();
    const trace = this.requests.begin(http.getRequest(), http.getResponse());
    if (trace) {
      this.requests.routed(trace, http.getRequest());
      this.requests.failed(trace, exception);
    }
    super.catch(exception, host);
    return undefined;
  }
}
