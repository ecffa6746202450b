import { expect, test } from "vitest";
import { roleIn } from "./roles";

test("the higher of the roles here and everywhere", () => {
  expect(roleIn({ "*": "viewer", shop: "admin" }, "shop")).toBe("admin");
  expect(roleIn({ "*": "analyst", shop: "viewer" }, "shop")).toBe("analyst");
  expect(roleIn({ "*": "analyst", shop: "admin" }, "bank")).toBe("analyst");
  expect(roleIn({ shop: "admin" }, "bank")).toBeUndefined();
  expect(roleIn({ shop: "emperor" }, "shop")).toBeUndefined();
});
