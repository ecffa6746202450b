import { start } from "@gosight/web";
import { computed, createApp, h, onMounted, onUnmounted, ref } from "vue";

// Before the application is mounted: then every listener that Vue adds is seen.
const gosight = start({ key: "demo", endpoint: "http://127.0.0.1:7711" });

const items = ref(0);

function add() {
  items.value++;
  gosight.track("added", { items: items.value });
}

const app = createApp({
  setup() {
    const search = ref(location.search);
    const changed = () => {
      search.value = location.search;
    };
    const go = (event: MouseEvent) => {
      event.preventDefault();
      history.pushState(null, "", "?page=offers");
      changed();
    };
    onMounted(() => addEventListener("popstate", changed));
    onUnmounted(() => removeEventListener("popstate", changed));
    const page = computed(() =>
      search.value
        ? h("h2", "Offers")
        : h("p", [
            h("button", { id: "add", type: "button", onClick: add }, "Add to basket"),
            " ",
            h("output", items.value),
          ]),
    );
    return () =>
      h("main", [h("h1", "Vue"), h("a", { href: "?page=offers", onClick: go }, "Offers"), page.value]);
  },
});

app.config.errorHandler = (error) => {
  // What Vue catches does not reach the window, and would not be recorded.
  reportError(error);
};
app.mount("#root");
