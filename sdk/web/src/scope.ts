// Everything the SDK does to a page is done through a Scope, so that one call undoes it, and so that no fault of
// ours is ever thrown into the page.

/** Sees a call's result, if anything wants to. */
// biome-ignore lint/suspicious/noConfusingVoidType: most notes return nothing.
type After = ((result: unknown) => void) | undefined | void;

type Procedure = (...args: never[]) => unknown;

/** Runs `fn`; whatever it throws stays here. */
export function quietly<T>(fn: () => T): T | undefined {
  try {
    return fn();
  } catch {
    return undefined;
  }
}

export class Scope {
  #undo: (() => void)[] = [];
  open = true;

  add(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** Listens in the capture phase, passively: before the page's own listeners, and never in their way. */
  listen<E extends Event = Event>(target: EventTarget, types: string, fn: (event: E) => void): void {
    const guarded = (event: Event) => {
      if (this.open) quietly(() => fn(event as E));
    };
    for (const type of types.split(" ")) {
      target.addEventListener(type, guarded, { capture: true, passive: true });
      this.add(() => target.removeEventListener(type, guarded, true));
    }
  }

  /**
   * Lets `note` see, and change in place, the arguments of each call of `object[name]`, and its result after. A Proxy keeps the
   * function's name, length and "[native code]", which pages test for.
   */
  tap<T extends object, K extends keyof T>(
    object: T | undefined,
    name: K,
    note: (self: unknown, args: unknown[]) => After,
  ): void {
    const original = object?.[name];
    if (!object || typeof original !== "function") return;
    const tapped = new Proxy(original as unknown as Procedure, {
      apply: (target, self, args) => {
        const after = this.open ? quietly(() => note(self, args)) : undefined;
        const result: unknown = Reflect.apply(target, self, args);
        if (after) quietly(() => after(result));
        return result;
      },
    });
    if (!quietly(() => ((object as Record<K, unknown>)[name] = tapped))) return;
    this.add(() => {
      // Somebody may have wrapped ours in turn: then it stays, and only passes through.
      if ((object as Record<K, unknown>)[name] === tapped) object[name] = original;
    });
  }

  close(): void {
    this.open = false;
    for (const undo of this.#undo.splice(0).reverse()) quietly(undo);
  }
}
