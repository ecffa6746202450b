import { expect, test } from "vitest";
import { inOrder, lifeOf } from "./Credentials";

test("a rotated key is good until its time has come", () => {
  expect(lifeOf({ id: "a" }, 1000)).toBe("good");
  expect(lifeOf({ id: "a", revoked_at: 1001 }, 1000)).toBe("ending");
  expect(lifeOf({ id: "a", revoked_at: 1000 }, 1000)).toBe("revoked");
});

test("good ones first, the latest of them first", () => {
  const sorted = inOrder(
    [
      { id: "revoked", created_at: 9, revoked_at: 10 },
      { id: "configured" },
      { id: "old", created_at: 1 },
      { id: "ending", created_at: 8, revoked_at: 2000 },
      { id: "new", created_at: 5 },
    ],
    1000,
  );
  expect(sorted.map((k) => k.id)).toEqual(["new", "old", "configured", "ending", "revoked"]);
});
