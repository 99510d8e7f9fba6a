"use strict";
document.documentElement.classList.add("js"); // shows the buttons, which do nothing without this script
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const said = (word) => {
    button.textContent = word;
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };
  const select = () => { // where the browser keeps its clipboard from pages that are files
    getSelection().selectAllChildren(source);
    said(document.execCommand("copy") ? "Copied" : "Selected");
  };
  if (navigator.clipboard) navigator.clipboard.writeText(source.textContent).then(() => said("Copied"), select);
  else select();
});
// Videos that stand side by side start and stop together: one click, or Enter, on any of them.
for (const group of document.querySelectorAll(".films")) {
  const videos = [...group.querySelectorAll("video")];
  const still = (paused) => videos.forEach((video) => video.parentElement.classList.toggle("still", paused));
  const toggle = () => {
    const start = videos.every((video) => video.paused);
    for (const video of videos) {
      if (!start) video.pause();
      else {
        video.currentTime = 0;
        video.play();
      }
    }
    still(!start);
  };
  const longest = () => videos.reduce((a, b) => (b.duration > a.duration ? b : a));
  for (const video of videos) {
    video.controls = false;
    video.loop = false;
    video.tabIndex = 0;
    video.addEventListener("click", toggle);
    video.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      toggle();
    });
    video.addEventListener("ended", () => {
      if (video !== longest()) return; // the shorter ones wait for it
      for (const other of videos) {
        other.currentTime = 0;
        other.play();
      }
    });
  }
  still(true);
}
