// Runs before the first paint, so that the chosen theme does not flash; the content policy allows no inline script.
(() => {
  const theme = localStorage.getItem("gosight.theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
})();
