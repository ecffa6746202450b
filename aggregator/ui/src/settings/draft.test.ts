import { expect, test } from "vitest";
import type { Project, Rules } from "../api/client";
import { draftOf, projectOf, ruleGroups } from "./draft";

const full: Project = {
  id: "shop",
  name: "Shop",
  allowed_origins: ["https://shop.example", "https://*.shop.example"],
  events_per_second: 500,
  burst: 9000,
  event_days: 30,
  replay_days: 7,
  privacy: {
    patterns: ["\\d{9} ", "order-[A-Z]+"],
    json_paths: ["props.address"],
    params: ["token"],
    phones: true,
    national_ids: true,
    user_id_key: "a key of ours",
    excluded_countries: ["DE", "VN"],
  },
  detect: { rage: { clicks: 8, radius_px: 12.5 }, dead: { repeat_ms: 0 } },
};

test("what is read into the form is written as it was", () => {
  expect(projectOf("shop", draftOf(full))).toEqual(full);
});

test("an empty form leaves everything to the installation", () => {
  const written = projectOf("new", draftOf({ id: "new" }));
  expect(written).toMatchObject({
    id: "new",
    allowed_origins: [],
    events_per_second: 0,
    event_days: 0,
    detect: {},
  });
  expect(written.privacy).toMatchObject({
    patterns: [],
    phones: false,
    user_id_key: "",
    excluded_countries: [],
  });
});

test("what people type is put right", () => {
  const draft = draftOf({ id: "shop" });
  draft.origins = "  https://a.example \n\n https://b.example\n";
  draft.countries = "de, vn;fr";
  draft.detect["rage.clicks"] = " ";
  draft.detect["dead.repeat_ms"] = "0";
  const written = projectOf("shop", draft);
  expect(written.allowed_origins).toEqual(["https://a.example", "https://b.example"]);
  expect(written.privacy?.excluded_countries).toEqual(["DE", "VN", "FR"]);
  expect(written.detect).toEqual({ dead: { repeat_ms: 0 } });
});

test("rules are fields in groups", () => {
  const rules = { rage: { clicks: 6, window_ms: 2000 }, error: { within_ms: 2000 } } as unknown as Rules;
  expect(ruleGroups(rules)).toEqual([
    [
      "rage",
      [
        { key: "rage.clicks", installed: 6 },
        { key: "rage.window_ms", installed: 2000 },
      ],
    ],
    ["error", [{ key: "error.within_ms", installed: 2000 }]],
  ]);
});
