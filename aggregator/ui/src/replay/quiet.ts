import type { eventWithTime } from "@rrweb/types";

type Known = Record<string, unknown>;
const known = (value: unknown): value is Known => typeof value === "object" && value !== null;
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/**
 * Takes what no content policy stops out of an element's attributes: hints that open connections or resolve names
 * (link rel=preconnect, dns-prefetch), meta elements that switch such things on, and where a frame begins: Chromium
 * connects before it asks the policy. None of it shows in a replay; a frame's document is recorded by itself.
 */
function quietAttributes(attributes: unknown, tag: unknown) {
  if (!known(attributes)) return;
  const frame = /^i?frame$/i.test(String(tag));
  for (const [name, value] of Object.entries(attributes)) {
    const spelled = name.toLowerCase();
    const hint = spelled === "rel" && String(value).trim().toLowerCase() !== "stylesheet";
    if (hint || spelled === "http-equiv" || spelled === "srcdoc" || (frame && spelled === "src"))
      delete attributes[name];
  }
}

/** A change does not say of what element. Images take the new address from srcset as well, and frames do not. */
function quietChange(attributes: unknown) {
  quietAttributes(attributes, "");
  if (!known(attributes)) return;
  for (const [name, value] of Object.entries(attributes)) {
    if (name.toLowerCase() !== "src") continue;
    delete attributes[name];
    attributes.srcset ??= typeof value === "string" ? value.replace(/\s/g, "%20").replace(/,$/, "%2C") : null;
  }
}

function quietNode(root: unknown) {
  // No recursion: a recording nests as deep as whoever wrote it likes.
  for (const rest = [root]; rest.length > 0; ) {
    const node = rest.pop();
    if (!known(node)) continue;
    quietAttributes(node.attributes, node.tagName);
    for (const child of list(node.childNodes)) rest.push(child);
  }
}

/**
 * Stored replay events as the player takes them, without what would reach out of the frame; all that is played comes
 * through here. The events are changed in place. What they are beyond that the player checks as it casts them.
 */
export function quiet(events: unknown[]): eventWithTime[] {
  for (const event of events) {
    if (!known(event) || !known(event.data)) continue;
    const { node, adds, attributes } = event.data;
    quietNode(node);
    for (const added of list(adds)) if (known(added)) quietNode(added.node);
    for (const changed of list(attributes)) if (known(changed)) quietChange(changed.attributes);
  }
  return events as eventWithTime[];
}
