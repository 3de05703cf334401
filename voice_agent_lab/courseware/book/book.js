// The theme's buttons that unfold the contents have a picture and no name for who cannot see it.
document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("li.has-children > details > summary")) {
    button.setAttribute("aria-label", `Pages under ${button.closest("li").querySelector("a").textContent}`);
  }
});
