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
